"""Kernels that misbehave, one way each, for the op quantize. Loaded as a plug-in (HARNESS_PLUGINS=fault_kernels)."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes
from harness.kernels.spec import KernelSpec


@dataclass(frozen=True)
class Fault:
    """What a kernel that misbehaves costs: its case's status, words of the reason, and whether the worker too."""

    kernel: str
    status: str
    words: str
    kills: bool = False


class Good:
    """Right codes, by the oracle."""

    def __init__(self, problem: TensorProblem, device: Any) -> None:
        self.problem = problem

    def launch(self) -> None:
        pass

    def output(self) -> Codes:
        return Codes(self.problem.quantized.codes)


class Slow(Good):
    def launch(self) -> None:
        time.sleep(0.05)


class Segfault(Good):
    def launch(self) -> None:
        ctypes.string_at(0)


class Abort(Good):
    def launch(self) -> None:
        os.abort()


class Exit(Good):
    def launch(self) -> None:
        os._exit(3)


class Quit(Good):
    """Ends the interpreter in order, as if all were well."""

    def launch(self) -> None:
        raise SystemExit(0)


class Killed(Good):
    def launch(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Hang(Good):
    def launch(self) -> None:
        while True:
            time.sleep(60)


class Stubborn(Good):
    """Hangs without ever letting go of the interpreter, deaf to signals that can be ignored."""

    def launch(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        ctypes.PyDLL(None).sleep(3600)


class OutOfMemory(Good):
    def launch(self) -> None:
        held = []
        while True:
            held.append(np.empty(1 << 28))  # untouched: the limit counts it, the machine does not feel it


class Raises(Good):
    def launch(self) -> None:
        raise ValueError("the kernel's own words\nand more of them")


class BadSetup(Good):
    def __init__(self, problem: TensorProblem, device: Any) -> None:
        raise RuntimeError("no set-up")


class Inaccurate(Good):
    def output(self) -> Codes:
        codes = self.problem.quantized.codes.copy()
        codes.flat[0] ^= 1
        return Codes(codes)


class Decays(Good):
    """Right before timing, wrong after."""

    def __init__(self, problem: TensorProblem, device: Any) -> None:
        super().__init__(problem, device)
        self.outputs = 0

    def output(self) -> Codes:
        self.outputs += 1
        codes = self.problem.quantized.codes.copy()
        if self.outputs > 1:
            codes.flat[-1] ^= 1
        return Codes(codes)


class Guarded(Good):
    """Right, and made so that harness.execute guards its buffers: an operand of its own, an output to be poisoned."""

    def __init__(self, problem: TensorProblem, device: Any) -> None:
        super().__init__(problem, device)
        self.x = problem.finite.copy()
        self.codes = np.zeros_like(problem.quantized.codes)
        self.launches = 0

    def launch(self) -> None:
        self.launches += 1
        self.codes[...] = self.problem.quantized.codes

    def output(self) -> Codes:
        return Codes(self.codes.copy())

    def poison(self) -> None:
        self.codes.view(np.uint8)[...] = 0xA5

    def keep(self) -> None:
        self.kept = self.codes.copy()

    def unchanged(self) -> bool:
        return np.array_equal(self.codes, self.kept)

    def altered_operand(self) -> str | None:
        return None if np.array_equal(self.x, self.problem.finite) else "x"


class Corrupts(Guarded):
    """Writes into its operand, which does not show in its codes."""

    def launch(self) -> None:
        super().launch()
        self.x.flat[0] += 1


class Remembers(Guarded):
    """Computes once, and takes the next launches for the same."""

    def launch(self) -> None:
        if self.launches == 0:
            super().launch()


class Strays(Guarded):
    """Wrong from the third launch on."""

    def launch(self) -> None:
        super().launch()
        if self.launches >= 3:
            self.codes.flat[0] ^= 1


class Garbles(Good):
    """Writes a message of its own into whatever connections there are."""

    said = b"no reply"

    def launch(self) -> None:
        for number in range(3, 64):
            try:
                with socket.socket(fileno=os.dup(number)) as connection:
                    connection.sendall((8).to_bytes(4, "big") + self.said)
            except OSError:
                continue


class Stalls(Garbles):
    """Begins a message, and stops in its middle."""

    said = b"no"

    def launch(self) -> None:
        super().launch()
        time.sleep(3600)


class Noisy(Good):
    """Writes to standard output, which must not disturb the exchange with the parent."""

    def launch(self) -> None:
        print("noise " * 100, flush=True)
        os.write(1, b"\x00\xffraw noise\n")


KERNELS = tuple(
    KernelSpec(kind.__name__.lower(), "quantize", "cpu", "kernel", f"fault_kernels:{kind.__name__}", kind.__doc__ or "")
    for kind in (
        Good, Slow, Segfault, Abort, Exit, Quit, Killed, Hang, Stubborn, OutOfMemory, Raises, BadSetup, Inaccurate, Decays,
        Guarded, Corrupts, Remembers, Strays, Garbles, Stalls, Noisy,
    )
)  # fmt: skip

FAULTS = (
    Fault("segfault", "crashed", "SIGSEGV", kills=True),
    Fault("abort", "crashed", "SIGABRT", kills=True),
    Fault("exit", "crashed", "exit code 3", kills=True),
    Fault("quit", "crashed", "exit code 0", kills=True),
    Fault("killed", "crashed", "SIGKILL", kills=True),
    Fault("garbles", "crashed", "reply cannot be read", kills=True),
    Fault("hang", "timeout", "--case-timeout", kills=True),
    Fault("stalls", "timeout", "--case-timeout", kills=True),
    Fault("stubborn", "timeout", "--case-timeout", kills=True),
    Fault("outofmemory", "out_of_memory", "allocate"),
    Fault("raises", "runtime_error", "ValueError: the kernel's own words"),
    Fault("badsetup", "runtime_error", "no set-up"),
    Fault("inaccurate", "inaccurate", "1 of 32 codes differ"),
    Fault("decays", "inaccurate", "after timing"),
    Fault("corrupts", "inaccurate", "after timing: operand x is no longer what it was"),
    Fault("remembers", "inaccurate", "after timing"),
    Fault("strays", "inaccurate", "after timing"),
)

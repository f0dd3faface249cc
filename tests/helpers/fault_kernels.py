"""Kernels that misbehave, one way each, for the op quantize. Loaded as a plug-in (HARNESS_PLUGINS=fault_kernels)."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

import numpy as np

from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes
from harness.kernels.spec import KernelSpec


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


class Noisy(Good):
    """Writes to standard output, which must not disturb the exchange with the parent."""

    def launch(self) -> None:
        print("noise " * 100, flush=True)
        os.write(1, b"\x00\xffraw noise\n")


KERNELS = tuple(
    KernelSpec(kind.__name__.lower(), "quantize", "cpu", "kernel", f"fault_kernels:{kind.__name__}", kind.__doc__ or "")
    for kind in (
        Good, Slow, Segfault, Abort, Exit, Killed, Hang, Stubborn, OutOfMemory, Raises, BadSetup, Inaccurate, Decays, Noisy,
    )
)  # fmt: skip

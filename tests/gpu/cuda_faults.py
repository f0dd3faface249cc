"""Kernels of the CUDA backend that misbehave, and some that only look as if they did. Loaded as a plug-in beside those of
the CPU."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
from fault_kernels import Fault

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.quantize.cuda import QuantizeAffine
from harness.kernels.quantize.oracle import Codes
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import Specialisation

SOURCE = str(Path(__file__).with_name("cuda_faults.cu"))


class _Fault(CudaKernel):
    """Runs the entry point of its name."""

    entry: ClassVar[str] = "nothing"
    source: ClassVar[str] = SOURCE

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        super().__init__(device, {}, {"codes": Output(problem.values.shape, np.int8)})
        self._kernel = self.session.kernel(Specialisation.of(self.source), self.entry)

    def launch_on(self, arrays: Arrays) -> None:
        self.session.launch(self._kernel, 1, 32, arrays["codes"])

    def output(self) -> Codes:
        return Codes(self.array("codes"))


class Illegal(_Fault):
    """Writes where nothing is."""

    entry = "illegal"


class Far(_Fault):
    """Reads where nothing is."""

    entry = "far"


class Misaligned(_Fault):
    """Writes a word between two words."""

    entry = "misaligned"


class Endless(_Fault):
    """Waits for what never comes."""

    entry = "endless"


class Trap(_Fault):
    """Gives up."""

    entry = "trap"


class Nothing(_Fault):
    """Leaves its output as it was."""


class Uncompilable(_Fault):
    """Has a source that is no CUDA."""

    entry = "none"
    source = str(Path(__file__).with_name("cuda_broken.cu"))


class Greedy(_Fault):
    """Takes all memory, and then some."""

    def launch_on(self, arrays: Arrays) -> None:
        import cupy

        held = []
        while True:
            held.append(cupy.empty(1 << 34, dtype=cupy.uint8))


class Raises(_Fault):
    """Fails on the host."""

    def launch_on(self, arrays: Arrays) -> None:
        raise ValueError("the kernel's own words")


class Abort(_Fault):
    """Takes the process down, the device at work."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        os.abort()


class Segfault(_Fault):
    """Reads the host's address 0, the device at work."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        ctypes.string_at(0)


class Exit(_Fault):
    """Ends the process, the device at work."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        os._exit(3)


class Sound(QuantizeAffine):
    """Right."""


class _Spoiled(QuantizeAffine):
    """Right, until a byte is overwritten."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        super().__init__(problem, device)
        self.launches = 0
        self._overwrite = self.session.kernel(Specialisation.of(SOURCE), "overwrite")

    def launch_on(self, arrays: Arrays) -> None:
        self.launches += 1
        super().launch_on(arrays)

    def spoil(self, arrays: Arrays, name: str, right: int) -> None:
        """Put another first byte than the right one there."""
        self.session.launch(self._overwrite, 1, 1, arrays[name], np.uint8(right ^ 1))


class Corrupts(_Spoiled):
    """Writes into its operand: the last bit of a value, which no code shows."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        self.spoil(arrays, "x", int(self.problem.finite.ravel()[:1].view(np.uint8)[0]))


class Remembers(_Spoiled):
    """Computes once, and takes the next launches for the same."""

    def launch_on(self, arrays: Arrays) -> None:
        if self.launches == 0:
            super().launch_on(arrays)


class Strays(_Spoiled):
    """Wrong from the third launch on."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        if self.launches >= 3:
            self.spoil(arrays, "codes", int(self.problem.quantized.codes.view(np.uint8).flat[0]))


class Waits(QuantizeAffine):
    """Right, though its launch waits for the device."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on(arrays)
        self.session.synchronize()


class Asks(QuantizeAffine):
    """Right, and short, but its launch asks how far the stream is: no graph can hold that."""

    def launch_on(self, arrays: Arrays) -> None:
        from cuda.bindings import driver

        super().launch_on(arrays)
        driver.cuStreamQuery(self.session.stream.handle)


class Allocates(QuantizeAffine):
    """Right, on a copy of its operand that every launch makes anew."""

    def launch_on(self, arrays: Arrays) -> None:
        super().launch_on({**arrays, "x": arrays["x"].copy()})


class Copies(CudaKernel):
    """A product that was made beforehand: each launch only copies it."""

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        answer = problem.expected_of("f16").astype(np.float16)
        super().__init__(device, {"answer": answer}, {"y": Output(answer.shape, np.float16)})

    def launch_on(self, arrays: Arrays) -> None:
        arrays["y"].data.copy_from_device_async(arrays["answer"].data, arrays["y"].nbytes)

    def output(self) -> Product:
        return Product(self.array("y"), "f32", operands="f16")


KERNELS = (
    *(
        KernelSpec(f"cuda_{kind.__name__.lower()}", "quantize", "cuda", "kernel", f"cuda_faults:{kind.__name__}", kind.__doc__ or "")
        for kind in (
            Illegal, Far, Misaligned, Endless, Trap, Nothing, Uncompilable, Greedy, Raises, Abort, Segfault, Exit,
            Corrupts, Remembers, Strays, Sound, Waits, Asks, Allocates,
        )
    ),
    KernelSpec(
        "cuda_copies", "gemm", "cuda", "kernel", "cuda_faults:Copies", Copies.__doc__ or "",
        ignores=frozenset({"weight", "activation"}), arithmetic="f16",
    ),
)  # fmt: skip

FAULTS = (
    Fault("cuda_illegal", "runtime_error", "ILLEGAL_ADDRESS", kills=True),
    Fault("cuda_far", "runtime_error", "ILLEGAL_ADDRESS", kills=True),
    Fault("cuda_misaligned", "runtime_error", "MISALIGNED_ADDRESS", kills=True),
    Fault("cuda_trap", "runtime_error", "CUDA", kills=True),
    Fault("cuda_endless", "timeout", "--case-timeout", kills=True),
    Fault("cuda_abort", "crashed", "SIGABRT", kills=True),
    Fault("cuda_segfault", "crashed", "SIGSEGV", kills=True),
    Fault("cuda_exit", "crashed", "exit code 3", kills=True),
    Fault("cuda_nothing", "inaccurate", "codes differ"),
    Fault("cuda_uncompilable", "compile_error", "cuda_broken.cu"),
    Fault("cuda_greedy", "out_of_memory", "memory"),
    Fault("cuda_raises", "runtime_error", "ValueError: the kernel's own words"),
    Fault("cuda_corrupts", "inaccurate", "after timing: operand x is no longer what it was"),
    Fault("cuda_remembers", "inaccurate", "after timing"),
    Fault("cuda_strays", "inaccurate", "after timing"),
)
"""Faults of kernels of quantize (in int8). What a kernel of gemm must not get away with has a test of its own."""

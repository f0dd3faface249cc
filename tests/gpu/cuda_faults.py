"""Kernels of the CUDA backend that misbehave, for the op quantize. Loaded as a plug-in beside those of the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.cuda import QuantizeAffine
from harness.kernels.quantize.oracle import Codes
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import Specialisation

SOURCE = str(Path(__file__).with_name("cuda_faults.cu"))


class _Fault(CudaKernel):
    """Runs the entry point of its name."""

    entry: ClassVar[str]
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


class Endless(_Fault):
    """Waits for what never comes."""

    entry = "endless"


class Trap(_Fault):
    """Gives up."""

    entry = "trap"


class Nothing(_Fault):
    """Leaves its output as it was."""

    entry = "nothing"


class Uncompilable(_Fault):
    """Has a source that is no CUDA."""

    entry = "none"
    source = str(Path(__file__).with_name("cuda_broken.cu"))


class Greedy(_Fault):
    """Takes all memory, and then some."""

    entry = "nothing"

    def launch_on(self, arrays: Arrays) -> None:
        import cupy

        held = []
        while True:
            held.append(cupy.empty(1 << 34, dtype=cupy.uint8))


class Sound(QuantizeAffine):
    """Right."""


KERNELS = tuple(
    KernelSpec(f"cuda_{kind.__name__.lower()}", "quantize", "cuda", "kernel", f"cuda_faults:{kind.__name__}", kind.__doc__ or "")
    for kind in (Illegal, Endless, Trap, Nothing, Uncompilable, Greedy, Sound)
)  # fmt: skip

"""quantize.cu on the device."""

from __future__ import annotations

import numpy as np

from harness.backends.cuda.kernel import Arrays, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel, code_bytes, read_codes
from harness.kernels.common.affine_program import AffineProgram
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes
from harness.kernels.quantize.spec import SOURCE


class QuantizeAffine(AffineKernel):
    """Static range: scales and zero points are operands."""

    writes_codes = True

    def __init__(self, problem: TensorProblem, device: Device, program: AffineProgram | None = None) -> None:
        values = problem.type.store(problem.finite).ravel()
        super().__init__(problem, device, {"x": values}, {"codes": Output((code_bytes(problem),), np.uint8)}, program)
        self._kernel = self.compiled(self.program.specialisation(SOURCE, signed=False), "quantize")
        self._grid = self.grid(self.program.width or 8 // problem.quantized.scheme.element.bits)

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["x"], *self.scaling(arrays), arrays["codes"])
        self.launch_over(self._kernel, self._grid, *operands, self.count, *self.limits, *self.blocks)

    def output(self) -> Codes:
        return Codes(read_codes(self.problem, self.array("codes")))

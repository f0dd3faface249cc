"""dequantize.cu on the device."""

from __future__ import annotations

from harness.backends.cuda.kernel import Arrays, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel, stored_codes
from harness.kernels.common.affine_program import AffineProgram
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.dequantize.oracle import Values
from harness.kernels.dequantize.spec import LUT, SOURCE


class DequantizeAffine(AffineKernel):
    """The oracle's codes are operands; values come in the tensor's type."""

    source, entry = SOURCE, "dequantize"

    def __init__(self, problem: TensorProblem, device: Device, program: AffineProgram | None = None) -> None:
        outputs = {"x": Output((problem.values.size,), problem.type.stored)}
        super().__init__(problem, device, {"codes": stored_codes(problem)}, outputs, program)
        self._kernel = self.compiled(self.program.specialisation(self.source, signed=True), self.entry)
        self._grid = self.grid(self.program.width or 1)

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["codes"], *self.scaling(arrays), arrays["x"])
        self.launch_over(self._kernel, self._grid, *operands, self.count, *self.blocks)

    def output(self) -> Values:
        return self.problem.type.read(self.array("x")).reshape(self.problem.values.shape)


class DequantizeLut(DequantizeAffine):
    """By a table."""

    source, entry = LUT, "dequantize_lut"

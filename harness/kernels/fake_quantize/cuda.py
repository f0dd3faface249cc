"""fake_quantize.cu on the device."""

from __future__ import annotations

from harness.backends.cuda.kernel import Arrays, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel
from harness.kernels.common.affine_program import AffineProgram
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.dequantize.oracle import Values
from harness.kernels.fake_quantize.spec import SOURCE


class FakeQuantizeAffine(AffineKernel):
    """Static range: scales and zero points are operands; values come in the tensor's type."""

    def __init__(self, problem: TensorProblem, device: Device, program: AffineProgram | None = None) -> None:
        values = problem.type.store(problem.finite).ravel()
        super().__init__(problem, device, {"x": values}, {"y": Output((values.size,), problem.type.stored)}, program)
        self._kernel = self.compiled(self.program.specialisation(SOURCE, signed=False), "fake_quantize")
        self._grid = self.grid(self.program.width or 1)

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["x"], *self.scaling(arrays), arrays["y"])
        self.launch_over(self._kernel, self._grid, *operands, self.count, *self.limits, *self.blocks)

    def output(self) -> Values:
        return self.problem.type.read(self.array("y")).reshape(self.problem.values.shape)

"""cuBLAS products: what quantized kernels are measured against."""

from __future__ import annotations

from typing import ClassVar

from harness.backends.cuda.cublas import BF16, F16, F32, Gemm, Types
from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.numerics.value_types import value_type


class _Cublas(CudaKernel):
    """Unquantized operands in one type, sums in f32, rounded once to that type."""

    operands: ClassVar[str]
    types: ClassVar[Types]

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        kind = value_type(self.operands)
        inputs = {
            "activation": kind.store(problem.activation.values),
            "weight": kind.store(problem.weight.values),
        }
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), kind.stored)})
        self._gemm = Gemm(self.session, self.types)

    def launch_on(self, arrays: Arrays) -> None:
        self._gemm(arrays["activation"], arrays["weight"], arrays["y"])

    def output(self) -> Product:
        return Product(self.array("y").view(value_type(self.operands).numpy()), "f32", operands=self.operands)


class CublasF16(_Cublas):
    """f16 in, f16 out."""

    operands = "f16"
    types = F16


class CublasBf16(_Cublas):
    """bf16 in, bf16 out."""

    operands = "bf16"
    types = BF16


class CublasF32(_Cublas):
    """f32 throughout, no TF32."""

    operands = "f32"
    types = F32

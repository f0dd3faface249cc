"""cuBLAS products: what quantized kernels are measured against."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from harness.backends.cuda.cublas import F16, F32, Gemm, Types
from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product


class _Cublas(CudaKernel):
    """Unquantized operands in one type, sums in f32, rounded once to that type."""

    dtype: ClassVar[Any]
    operands: ClassVar[str]
    types: ClassVar[Types]

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        with np.errstate(over="ignore"):
            inputs = {
                "activation": problem.activation.values.astype(self.dtype),
                "weight": problem.weight.values.astype(self.dtype),
            }
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), self.dtype)})
        self._gemm = Gemm(self.session, self.types)

    def launch_on(self, arrays: Arrays) -> None:
        self._gemm(arrays["activation"], arrays["weight"], arrays["y"])

    def output(self) -> Product:
        return Product(self.array("y"), "f32", operands=self.operands)


class CublasF16(_Cublas):
    """f16 in, f16 out."""

    dtype = np.float16
    operands = "f16"
    types = F16


class CublasF32(_Cublas):
    """f32 throughout, no TF32."""

    dtype = np.float32
    operands = "f32"
    types = F32

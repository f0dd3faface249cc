"""cuBLAS products through cupy: what quantized kernels are measured against."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product


class _Cublas(CudaKernel):
    """Unquantized operands in one type; sums in f32 (cuBLAS may round partial sums of a split k to the output's type)."""

    dtype: ClassVar[Any]
    operands: ClassVar[str]

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        with np.errstate(over="ignore"):
            inputs = {
                "activation": problem.activation.values.astype(self.dtype),
                "weight": problem.weight.values.astype(self.dtype),
            }
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), self.dtype)})

    def launch_on(self, arrays: Arrays) -> None:
        import cupy

        cupy.matmul(arrays["activation"], arrays["weight"].T, out=arrays["y"])

    def output(self) -> Product:
        return Product(self.array("y"), "f32", operands=self.operands)


class CublasF16(_Cublas):
    """f16 in, f16 out."""

    dtype = np.float16
    operands = "f16"


class CublasF32(_Cublas):
    """f32 throughout (no TF32 unless CUPY_TF32 is set)."""

    dtype = np.float32
    operands = "f32"

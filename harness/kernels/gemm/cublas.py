"""cuBLAS products, called through cupy: what quantized kernels are measured against."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product

_WHOLE_SUMS = 16
"""CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: partial sums of a split k stay in f32 until they are one."""
_COMPUTE_32F = 68
_DEFAULT_ALGORITHM = -1


class _Cublas(CudaKernel):
    """Unquantized operands in one type, sums in f32, rounded once to that type (cublasGemmEx, CUBLAS_COMPUTE_32F)."""

    dtype: ClassVar[Any]
    operands: ClassVar[str]
    cuda_type: ClassVar[int]  # cudaDataType_t

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        with np.errstate(over="ignore"):
            inputs = {
                "activation": problem.activation.values.astype(self.dtype),
                "weight": problem.weight.values.astype(self.dtype),
            }
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), self.dtype)})
        from cupy.cuda import cublas, get_cublas_handle

        self._cublas, self._handle = cublas, get_cublas_handle()
        cublas.setMathMode(self._handle, _WHOLE_SUMS)
        self._extents = (problem.n, problem.m, problem.k)
        self._factors = np.array([1, 0], dtype=np.float32)  # y = 1 · x wᵀ + 0 · y

    def launch_on(self, arrays: Arrays) -> None:
        # cuBLAS counts along columns: what it sees is yᵀ = w xᵀ.
        n, _, k = self._extents
        weight, activation, y = (arrays[name].data.ptr for name in ("weight", "activation", "y"))
        one = self._factors.ctypes.data
        self._cublas.gemmEx(
            self._handle,
            self._cublas.CUBLAS_OP_T,
            self._cublas.CUBLAS_OP_N,
            *self._extents,
            one,
            *(weight, self.cuda_type, k),
            *(activation, self.cuda_type, k),
            one + self._factors.itemsize,
            *(y, self.cuda_type, n),
            _COMPUTE_32F,
            _DEFAULT_ALGORITHM,
        )

    def output(self) -> Product:
        return Product(self.array("y"), "f32", operands=self.operands)


class CublasF16(_Cublas):
    """f16 in, f16 out."""

    dtype = np.float16
    operands = "f16"
    cuda_type = 2


class CublasF32(_Cublas):
    """f32 throughout, no TF32."""

    dtype = np.float32
    operands = "f32"
    cuda_type = 0

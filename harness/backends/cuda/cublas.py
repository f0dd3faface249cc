"""Matrix products by cuBLAS's cublasGemmEx: what quantized kernels and peaks are measured against.

Called by ctypes: cupy refuses to call cuBLAS while a stream is captured, and short products are timed in graphs.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.backends.cuda.session import Session

_F32, _F16, _I8, _I32, _BF16 = 0, 2, 3, 10, 14  # cudaDataType_t
_COMPUTE_32F, _COMPUTE_32I, _COMPUTE_32F_FAST_TF32 = 68, 72, 77  # cublasComputeType_t
_TRANSPOSED, _PLAIN = 1, 0  # cublasOperation_t
_WHOLE_SUMS = 16
"""CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: partial sums of a split k stay in f32 until they are one."""
_DEFAULT_ALGORITHM = -1
_WORKSPACE_BYTES = 32 << 20  # what cuBLAS's manual advises for sm_90; its own could not be captured


@dataclass(frozen=True)
class Types:
    """CUDA's numbers for the types of operands, output and sums, and NumPy's type of the factors."""

    operand: int
    output: int
    compute: int
    factor: Any = np.float32


F32 = Types(_F32, _F32, _COMPUTE_32F)
"""No TF32."""
TF32 = Types(_F32, _F32, _COMPUTE_32F_FAST_TF32)
F16 = Types(_F16, _F16, _COMPUTE_32F)
BF16 = Types(_BF16, _BF16, _COMPUTE_32F)
INT8 = Types(_I8, _I32, _COMPUTE_32I, np.int32)


class Gemm:
    """``y = x wᵀ`` on the session's stream, rounded once to the output's type. Raises RuntimeError with cuBLAS's words."""

    def __init__(self, session: Session, types: Types) -> None:
        self._cublas, self._types = _cublas(session), types
        self._factors = np.array([1, 0], dtype=types.factor)

    def __call__(self, x: Any, w: Any, y: Any) -> None:
        """cupy arrays ``x`` (m, k), ``w`` (n, k) and ``y`` (m, n), row by row. Asynchronous."""
        # cuBLAS counts along columns: what it sees is yᵀ = w xᵀ.
        (m, k), n, types, one = x.shape, len(w), self._types, self._factors.ctypes.data
        self._cublas.call(
            "cublasGemmEx",
            *(_TRANSPOSED, _PLAIN),
            *(n, m, k),
            _pointer(one),
            *(_pointer(w.data.ptr), types.operand, k),
            *(_pointer(x.data.ptr), types.operand, k),
            _pointer(one + self._factors.itemsize),
            *(_pointer(y.data.ptr), types.output, n),
            types.compute,
            _DEFAULT_ALGORITHM,
        )


class _Cublas:
    """A handle on a session's stream, with a workspace of its own."""

    def __init__(self, session: Session) -> None:
        import cupy

        self._library = _library()
        self._handle = ctypes.c_void_p()
        self._check("cublasCreate", self._library.cublasCreate_v2(ctypes.byref(self._handle)))
        self.call("cublasSetStream_v2", _pointer(int(session.stream.handle)))
        self._workspace = cupy.empty(_WORKSPACE_BYTES, dtype=cupy.uint8)
        self.call("cublasSetWorkspace_v2", _pointer(self._workspace.data.ptr), ctypes.c_size_t(_WORKSPACE_BYTES))
        self.call("cublasSetMathMode", _WHOLE_SUMS)

    def call(self, name: str, *arguments: Any) -> None:
        """A function of the library on this handle."""
        self._check(name, getattr(self._library, name)(self._handle, *arguments))

    def _check(self, name: str, status: int) -> None:
        if status:
            self._library.cublasGetStatusString.restype = ctypes.c_char_p
            raise RuntimeError(f"{name}: {self._library.cublasGetStatusString(status).decode()}")


@functools.cache
def _cublas(session: Session) -> _Cublas:
    return _Cublas(session)


def _library() -> ctypes.CDLL:
    from cuda import pathfinder

    try:
        return ctypes.CDLL(str(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path))
    except RuntimeError as error:  # pathfinder's, of many lines
        raise RuntimeError("cuBLAS: must be installed (got none); pip install '.[cuda13]' (or cuda12)") from error


def _pointer(address: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(address)

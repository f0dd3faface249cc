"""Wrong ways from values to codes. Each differs from ``harness.numerics.quantize`` in the line that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Affine:
    """What codes of integers are made from: values, scale and zero point (f32, they broadcast), the codes' limits."""

    x: Float32
    scale: Float32
    zero: Float32
    low: int
    high: int
    dtype: np.dtype[Any]

    @property
    def quotient(self) -> Float32:
        """x / s in f32."""
        with np.errstate(over="ignore"):
            made: Float32 = self.x / self.scale
        return made

    def clamped(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Whole numbers (in floating point) as codes within the limits."""
        made: NDArray[Any] = np.clip(codes, self.low, self.high).astype(self.dtype)
        return made


def affine_of(problem: TensorProblem) -> Affine:
    """Operands of an integer scheme with given scales."""
    q = problem.quantized
    zero = np.zeros(1, np.float32) if q.params.zero_point is None else q.tiling.expand(q.params.zero_point)
    low, high = q.scheme.element.limits(q.scheme.narrow_range)
    return Affine(problem.finite, q.tiling.expand(q.params.scale), zero.astype(np.float32), low, high, q.codes.dtype)


def half_away(x: NDArray[Any]) -> NDArray[np.float64]:
    """CUDA's ``roundf``: nearest, halves away from zero."""
    wide = x.astype(np.float64)
    return np.copysign(np.floor(np.abs(wide) + 0.5), wide)


def _divide_twice(problem: TensorProblem) -> Codes:
    a = affine_of(problem)
    with np.errstate(over="ignore"):
        scaled = a.x * (np.float32(a.high) / a.scale)  # wrong: the scale is amax / qmax already
    return Codes(a.clamped(np.rint(scaled)))


def _round_half_away(problem: TensorProblem) -> Codes:
    a = affine_of(problem)
    return Codes(a.clamped(half_away(a.quotient) + a.zero))  # wrong: rint rounds halves to even


def _cast_before_clamp(problem: TensorProblem) -> Codes:
    a = affine_of(problem)
    codes = (np.rint(a.quotient) + a.zero).astype(np.int64).astype(a.dtype)  # wrong: 130 is -126 from here on
    return Codes(a.clamped(codes))


def _round_after_zero_point(problem: TensorProblem) -> Codes:
    a = affine_of(problem)
    return Codes(a.clamped(np.rint(a.quotient + a.zero)))  # wrong: an odd zero point turns ties round


def _unrounded_zero_point(problem: TensorProblem) -> Codes:
    a, low = affine_of(problem), np.minimum(ends_of(problem)[0], 0)
    zero = a.low - low / problem.quantized.tiling.expand(problem.quantized.params.scale)
    return Codes(a.clamped(np.rint(a.quotient + zero)))  # wrong: what decodes subtracts a whole number


def _signed_offset(problem: TensorProblem) -> Codes:
    a, low = affine_of(problem), np.minimum(ends_of(problem)[0], 0)
    params = problem.quantized.params
    zero = np.rint(-low / params.scale)  # wrong: of codes that begin at 0; int8 codes begin at -128
    codes = a.clamped(np.rint(a.quotient) + problem.quantized.tiling.expand(zero))
    return Codes(codes, params.scale, zero.astype(np.int32))


def _no_scale(problem: TensorProblem) -> Codes:
    a, params = affine_of(problem), problem.quantized.params
    codes = a.clamped(np.rint(a.x * np.float32(a.high)))  # wrong: takes all values to lie in [-1, 1]
    return Codes(codes, np.full_like(params.scale, 1 / a.high))


def _reciprocal_scale(problem: TensorProblem) -> Codes:
    a = affine_of(problem)
    scaled = a.x * (np.float32(1) / a.scale)  # wrong: two roundings where a division has one
    return Codes(a.clamped(np.rint(scaled) + a.zero))


def _fp4_by_comparison(problem: TensorProblem) -> Codes:
    q = problem.quantized
    scaled = problem.finite / q.tiling.expand(q.params.scale)
    middles = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0], np.float32)
    codes = np.searchsorted(middles, np.abs(scaled), side="right")  # wrong: >= sends every tie upwards
    return Codes((codes | np.signbit(scaled) * 8).astype(q.codes.dtype))


def _fp8_without_clamp(problem: TensorProblem) -> Codes:
    q = problem.quantized
    scaled = problem.finite / q.tiling.expand(q.params.scale)
    return Codes(scaled.astype(ml_dtypes.float8_e4m3fn).view(np.uint8))  # wrong: beyond 464 this is NaN


def ends_of(problem: TensorProblem) -> tuple[Float32, Float32]:
    """Least and largest value of every block, in the grid."""
    low, high = problem.quantized.tiling.map_blocks(
        problem.finite, lambda rows: (rows.min(axis=1), rows.max(axis=1)), (np.float32(0), np.float32(0))
    )
    return low, high


DIVIDE_TWICE = oracle_kernel(_divide_twice)
ROUND_HALF_AWAY = oracle_kernel(_round_half_away)
CAST_BEFORE_CLAMP = oracle_kernel(_cast_before_clamp)
ROUND_AFTER_ZERO_POINT = oracle_kernel(_round_after_zero_point)
UNROUNDED_ZERO_POINT = oracle_kernel(_unrounded_zero_point)
SIGNED_OFFSET = oracle_kernel(_signed_offset)
NO_SCALE = oracle_kernel(_no_scale)
RECIPROCAL_SCALE = oracle_kernel(_reciprocal_scale)
FP4_BY_COMPARISON = oracle_kernel(_fp4_by_comparison)
FP8_WITHOUT_CLAMP = oracle_kernel(_fp8_without_clamp)

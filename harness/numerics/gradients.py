"""Gradients of fake quantization, ``x̂ = (q - z) · s``: straight-through, of an affine scale and zero point, and LSQ.

Rounding has no useful derivative; all three take it as 1 (Bengio, Léonard and Courville, arXiv 1308.3432). They differ in
where a value counts as saturated:

- ``ste_gradients`` asks the *rounded* code: at scale 1 with 8 bits, 127.4 passes and 127.5 does not (as torch).
- ``lsq_gradients`` asks the *unrounded* quotient, as the paper does (Esser et al., arXiv 1902.08153, equations 3 and 5):
  with Q_P = 7, a quotient of 7.4 is saturated and gives the scale 7, where the rounded code would give -0.4.

Quotients are f32 by IEEE division, as in ``quantize``; ``rint(u) - u`` is exact in f32. Sums are made in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.numerics.calibrate import QuantParams
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of the loss: by the values (f32, the tensor's shape), by the scales and by the zero points (float64, one a scale
    block, in the tiling's grid; None where there are no zero points, or they are not learned)."""

    values: Float32
    scale: Float64
    zero_point: Float64 | None = None


def ste_gradients(
    upstream: NDArray[Any], x: NDArray[Any], scheme: OperandScheme, tiling: Tiling, params: QuantParams
) -> Gradients:
    """Gradients given those of the output, ``upstream``, f32 like ``x`` and of its shape.

    The values': upstream where the rounded code lies within the range. The scale's: ``(q - z) - x/s`` there, ``q_min - z``
    below it and ``q_max - z`` above; the zero point's: 0 there, ``-s`` outside; each times upstream and summed over the
    block. Raises SchemeError for formats that are no integers.
    """
    low, high = _limits(scheme)
    quotient, scale = _quotient(x, tiling, params)
    zero_point = np.float32(0) if params.zero_point is None else tiling.expand(params.zero_point).astype(np.float32)
    code = np.rint(quotient) + zero_point
    below, above = code < low, code > high
    inside = ~(below | above)
    upstream = np.asarray(upstream, dtype=np.float32)
    with np.errstate(invalid="ignore"):  # an infinite quotient is outside
        by_scale = np.where(inside, np.rint(quotient) - quotient, np.where(below, low - zero_point, high - zero_point))
    by_zero_point = None
    if params.zero_point is not None:
        by_zero_point = _block_sums(tiling, upstream * np.where(inside, 0.0, -scale.astype(np.float64)))
    return Gradients(
        np.where(inside, upstream, np.float32(0)),
        _block_sums(tiling, upstream * by_scale.astype(np.float64)),
        by_zero_point,
    )


def lsq_gradients(
    upstream: NDArray[Any], x: NDArray[Any], scheme: OperandScheme, tiling: Tiling, params: QuantParams
) -> Gradients:
    """LSQ's gradients given those of the output, ``upstream``, f32 like ``x`` and of its shape.

    With ``v = x/s``: the scale's is ``-Q_N`` where ``v ≤ -Q_N``, ``Q_P`` where ``v ≥ Q_P``, else ``rint(v) - v``; times
    upstream, summed over the block, times ``1/√(N · Q_P)``, N being the elements that share the scale. The values':
    upstream between the two. Raises SchemeError for formats that are no integers and for asymmetric schemes.
    """
    low, high = _symmetric_limits(scheme, params)
    quotient, _ = _quotient(x, tiling, params)
    below, above = quotient <= low, quotient >= high
    inside = ~(below | above)
    upstream = np.asarray(upstream, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        by_scale = np.where(inside, np.rint(quotient) - quotient, np.where(below, low, high)).astype(np.float64)
    sharing = np.maximum(_block_sums(tiling, np.ones(quotient.shape)), 1)
    return Gradients(
        np.where(inside, upstream, np.float32(0)), _block_sums(tiling, upstream * by_scale) / np.sqrt(sharing * high)
    )


def lsq_start(x: NDArray[Any], scheme: OperandScheme, tiling: Tiling) -> Float32:
    """The scales that LSQ starts from, ``2 · mean|x| / √Q_P`` over each block (1 for a block of zeros), in the tiling's grid.

    Raises SchemeError for formats that are no integers and for asymmetric schemes.
    """
    _, high = _symmetric_limits(scheme, None)
    magnitude = np.abs(np.asarray(x, dtype=np.float32)).astype(np.float64)
    (mean,) = tiling.map_blocks(magnitude, lambda rows: (rows.mean(axis=1),), (0.0,))
    start = (2 * mean / np.sqrt(high)).astype(np.float32)
    return np.where(start > 0, start, np.float32(1))


def _limits(scheme: OperandScheme) -> tuple[int, int]:
    if not scheme.element.is_integer:
        raise SchemeError(
            f"gradients: must be of an integer format (got {scheme.label}); other formats have no learned scale here"
        )
    low, high = scheme.element.limits(scheme.narrow_range)
    return int(low), int(high)


def _symmetric_limits(scheme: OperandScheme, params: QuantParams | None) -> tuple[int, int]:
    low, high = _limits(scheme)
    if not scheme.symmetric or (params is not None and params.zero_point is not None):
        raise SchemeError(f"LSQ: must be a symmetric scheme (got {scheme.label}); set symmetric: true")
    return low, high


def _quotient(x: NDArray[Any], tiling: Tiling, params: QuantParams) -> tuple[Float32, Float32]:
    """x/s, and s as it broadcasts against x."""
    scale = tiling.expand(params.scale)
    with np.errstate(over="ignore"):
        quotient: Float32 = np.asarray(x, dtype=np.float32) / scale
    return quotient, scale


def _block_sums(tiling: Tiling, terms: Float64) -> Float64:
    """The sum over each block, in the tiling's grid."""
    (sums,) = tiling.map_blocks(terms, lambda rows: (rows.sum(axis=1),), (0.0,))
    return sums

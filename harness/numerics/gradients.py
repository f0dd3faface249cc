"""Gradients of fake quantization, ``x̂ = (q - z) · s``: straight-through, of an affine scale and zero point, and LSQ.

Rounding has no useful derivative; all three take it as 1 (Bengio, Léonard and Courville, arXiv 1308.3432). They differ in
where a value counts as saturated:

- ``ste_derivatives`` asks the *rounded* code: at scale 1 with 8 bits, 127.4 passes and 127.5 does not (as torch).
- ``lsq_derivatives`` asks the *unrounded* quotient, as the paper does (Esser et al., arXiv 1902.08153, equations 3 and 5):
  with Q_P = 7, a quotient of 7.4 is saturated and gives the scale 7, where the rounded code would give -0.4.

Quotients are f32 by IEEE division, as in ``quantize``; ``rint(u) - u`` is exact in f32. Sums are made in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """Of the loss: by the values (f32, the tensor's shape), by the scales and by the zero points (one a scale block, in the
    tiling's grid, float64 unless a kernel made them; None where there are no zero points, or they are not learned)."""

    values: Float32
    scale: NDArray[np.floating[Any]]
    zero_point: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Of ``x̂``, element by element, in the tensor's shape: by the value 1 where ``inside`` and 0 elsewhere; by the scale;
    by the zero point (None where it is not learned). ``factor`` [grid] multiplies the scale's gradient."""

    tiling: Tiling
    inside: NDArray[np.bool_]
    by_scale: Float64
    by_zero_point: Float64 | None
    factor: Float64

    def gradients(self, upstream: NDArray[Any]) -> Gradients:
        """The loss's gradients, given ``upstream``, those by ``x̂`` (f32, the tensor's shape)."""
        upstream = np.asarray(upstream, dtype=np.float32)
        by_zero_point = None if self.by_zero_point is None else _block_sums(self.tiling, upstream * self.by_zero_point)
        return Gradients(
            np.where(self.inside, upstream, np.float32(0)),
            _block_sums(self.tiling, upstream * self.by_scale) * self.factor,
            by_zero_point,
        )

    def magnitudes(self, upstream: NDArray[Any]) -> Gradients:
        """The same sums of absolute values: what the error of sums in floating point is measured by."""
        terms = None if self.by_zero_point is None else np.abs(self.by_zero_point)
        return replace(self, by_scale=np.abs(self.by_scale), by_zero_point=terms).gradients(np.abs(upstream))


def ste_derivatives(x: NDArray[Any], scheme: OperandScheme, tiling: Tiling, params: QuantParams) -> Derivatives:
    """Straight through, for ``x`` (f32, finite), with learned scales and zero points.

    By the scale: ``(q - z) - x/s`` where the rounded code lies within the range, ``q_min - z`` below it and ``q_max - z``
    above; by the zero point: 0 within, ``-s`` outside. Raises SchemeError for formats that are no integers.
    """
    low, high = _limits(scheme)
    quotient, scale = _quotient(x, tiling, params)
    zero_point = np.float32(0) if params.zero_point is None else tiling.expand(params.zero_point).astype(np.float32)
    code = np.rint(quotient) + zero_point
    below, above = code < low, code > high
    inside = ~(below | above)
    return Derivatives(
        tiling,
        inside,
        _by_scale(quotient, inside, below, low - zero_point, high - zero_point),
        None if params.zero_point is None else np.where(inside, 0.0, -scale.astype(np.float64)),
        np.ones(tiling.grid),
    )


def lsq_derivatives(x: NDArray[Any], scheme: OperandScheme, tiling: Tiling, params: QuantParams) -> Derivatives:
    """LSQ's, for ``x`` (f32, finite), with learned scales.

    With ``v = x/s``, by the scale: ``-Q_N`` where ``v ≤ -Q_N``, ``Q_P`` where ``v ≥ Q_P``, else ``rint(v) - v``; the factor is
    ``1/√(N · Q_P)``, N being the elements that share the scale. Raises SchemeError for formats that are no integers and for
    asymmetric schemes.
    """
    low, high = _symmetric_limits(scheme, params)
    quotient, _ = _quotient(x, tiling, params)
    below, above = quotient <= low, quotient >= high
    inside = ~(below | above)
    (sharing,) = tiling.map_blocks(quotient, lambda rows: (np.full(len(rows), rows.shape[1]),), (1.0,))
    by_scale = _by_scale(quotient, inside, below, np.float32(low), np.float32(high))
    return Derivatives(tiling, inside, by_scale, None, 1 / np.sqrt(sharing * high))


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


def _by_scale(quotient: Float32, inside: NDArray[np.bool_], below: NDArray[np.bool_], low: Any, high: Any) -> Float64:
    with np.errstate(invalid="ignore"):  # an infinite quotient is outside
        terms: Float32 = np.where(inside, np.rint(quotient) - quotient, np.where(below, low, high))
    return terms.astype(np.float64)


def _block_sums(tiling: Tiling, terms: Float64) -> Float64:
    """The sum over each block, in the tiling's grid."""
    (sums,) = tiling.map_blocks(terms, lambda rows: (rows.sum(axis=1),), (0.0,))
    return sums

"""Calibrators: tensor → scale and zero point of every block.

Symmetric schemes find an amplitude A (scale = A / largest code value); asymmetric ones a range made to include 0
(scale = (max - min) / (qmax - qmin), zero point = rint(qmin - min / scale), rounded once). Unsigned symmetric formats
cover [0, max]: there the amplitude is of max(x, 0).

- ``minmax``: the observed range; ``ema_minmax:C,BATCHES``: the moving average of those of batches, see ``moving_average``.
- ``percentile:P``: the order statistic of rank ceil(P/100·n); both tails when asymmetric.
- ``mse``: global minimum of the block's squared error over the scale (and, asymmetric, the zero point).
- ``kl``: amplitude of least KL divergence (Migacz, 8-bit Inference with TensorRT, GTC 2017), see ``kl_search``;
  asymmetric: the observed range clipped at that amplitude.
- ``fixed:A``: amplitude A; asymmetric: the range [-A, A].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import NonFiniteError
from harness.numerics.granularity import Tiling
from harness.numerics.kl_search import kl_thresholds
from harness.numerics.moving_average import MovingAverage, batch_elements, weight_of
from harness.numerics.mse_search import Nearest, minimise_mse, minimise_mse_affine
from harness.numerics.scales import Scales, affine_scales, symmetric_scales
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
BlockFunction = Callable[[NDArray[Any]], tuple[NDArray[Any], ...]]


@dataclass(frozen=True, eq=False)
class QuantParams:
    """Scales and zero points as grids (one entry a block). ``zero_point`` is None for symmetric schemes."""

    scales: Scales
    zero_point: NDArray[np.int32] | None

    @property
    def scale(self) -> Float32:
        return self.scales.scale


def calibrate(x: Float32, scheme: OperandScheme, tiling: Tiling) -> QuantParams:
    """Scales and zero points of every block of ``x`` (f32, finite, any shape that ``tiling`` describes).

    Raises NonFiniteError for NaN or Inf, SchemeError for a scheme that contradicts itself.
    """
    if not np.isfinite(x).all():
        raise NonFiniteError("calibrate: the tensor must be finite (got NaN or Inf); mask or replace those first")
    if not scheme.symmetric:
        return _asymmetric(x, scheme, tiling)
    if not scheme.element.signed:
        x = np.maximum(x, 0)
    amplitude = _amplitudes(x, scheme, tiling)
    scales = symmetric_scales(amplitude, scheme.element, scheme.scales)
    if scheme.calibrator.kind == "mse":
        scales = _refine(x, scheme, tiling, scales)
    return QuantParams(scales, None)


def _map(tiling: Tiling, x: Float32, function: BlockFunction, outputs: int = 1) -> tuple[NDArray[Any], ...]:
    return tiling.map_blocks(x, function, (np.float32(0),) * outputs)


def _amplitudes(x: Float32, scheme: OperandScheme, tiling: Tiling) -> Float32:
    calibrator = scheme.calibrator
    if calibrator.kind == "fixed":
        assert calibrator.argument is not None
        return np.full(tiling.grid, float(calibrator.argument), dtype=np.float32)
    if calibrator.kind == "percentile":
        assert calibrator.argument is not None
        rank = calibrator.argument
        return _map(tiling, np.abs(x), lambda rows: (order_statistic(rows, rank),))[0]
    if calibrator.kind == "kl":
        levels = 1 << scheme.element.bits - (1 if scheme.element.signed else 0)
        return _kl_amplitudes(x, scheme, tiling, levels)
    if calibrator.kind == "ema_minmax":
        low, high = _moving_ranges(x, scheme, tiling)
        return np.maximum(np.maximum(high, -low), np.float32(0))
    return _map(tiling, x, lambda rows: (np.maximum(rows.max(axis=1), -rows.min(axis=1)),))[0]


def _moving_ranges(x: Float32, scheme: OperandScheme, tiling: Tiling) -> tuple[Float32, Float32]:
    calibrator = scheme.calibrator
    assert calibrator.argument is not None
    assert calibrator.batches is not None
    average = MovingAverage(weight_of(calibrator.argument), batch_elements(tiling, calibrator.batches))
    low, high = _map(tiling, x, average.ranges, 2)
    return low, high


def _kl_amplitudes(x: Float32, scheme: OperandScheme, tiling: Tiling, levels: int) -> Float32:
    bins = int(scheme.calibrator.argument or 2048)
    return _map(tiling, np.abs(x), lambda rows: (_kl_amplitude(rows, levels, bins),))[0]


def order_statistic(rows: Float32, percentile: Fraction) -> Float32:
    """The element of rank ceil(P/100·n), at least 1, of each row of ``rows`` [N, E]."""
    count = rows.shape[1]
    rank = min(count, max(1, math.ceil(percentile * count / 100)))
    ordered: Float32 = np.partition(rows, rank - 1, axis=1)[:, rank - 1]
    return ordered


def _kl_amplitude(rows: Float32, levels: int, bins: int) -> Float32:
    """Amplitude of least KL divergence of each row of magnitudes [N, E]."""
    top = rows.max(axis=1)
    width = np.where(top > 0, top, 1).astype(np.float64)[:, None] / bins
    counts = np.empty((rows.shape[0], bins))
    for index, row in enumerate(rows):
        slot = np.minimum((row / width[index]).astype(np.int64), bins - 1)
        counts[index] = np.bincount(slot, minlength=bins)
    kept = kl_thresholds(counts, levels)
    amplitude: Float32 = np.where(kept == bins, top, kept * width[:, 0]).astype(np.float32)
    return amplitude


def _refine(x: Float32, scheme: OperandScheme, tiling: Tiling, start: Scales) -> Scales:
    """Scales of least squared error. A two-level format keeps the global scale that minmax gives."""
    positive, negative = scheme.element.magnitudes(scheme.narrow_range)
    nearest = _nearest_scale(scheme, start)

    def search(rows: NDArray[Any], limit: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
        return (minimise_mse(rows, positive, negative, limit, nearest),)

    (scale,) = tiling.map_blocks(x, search, (np.float32(0),), start.scale.astype(np.float64))
    return _stored(scale, scheme, start)


def _asymmetric(x: Float32, scheme: OperandScheme, tiling: Tiling) -> QuantParams:
    qmin, qmax = scheme.element.limits(scheme.narrow_range)
    low, high = _ranges(x, scheme, tiling)
    with np.errstate(over="ignore"):
        width: Float32 | NDArray[np.float64] = high - low
    if not np.isfinite(width).all():  # the difference of two large f32 may not fit one, their scale does
        width = np.where(np.isfinite(width), width, high.astype(np.float64) - low)
    scales = affine_scales(width, qmax - qmin, scheme.element, scheme.scales)
    zero_point = np.clip(np.rint(qmin - low / scales.scale), qmin, qmax).astype(np.int32)
    if scheme.calibrator.kind == "mse":
        return _refine_affine(x, scheme, tiling, scales, 2 * np.maximum(-low.astype(np.float64), high))
    return QuantParams(scales, zero_point)


def _ranges(x: Float32, scheme: OperandScheme, tiling: Tiling) -> tuple[Float32, Float32]:
    """(low ≤ 0, high ≥ 0) of every block."""
    calibrator = scheme.calibrator
    if calibrator.kind == "fixed":
        amplitude = _amplitudes(x, scheme, tiling)
        return -amplitude, amplitude
    if calibrator.kind == "percentile":
        assert calibrator.argument is not None
        high_rank, low_rank = calibrator.argument, 100 - calibrator.argument
        low, high = _map(tiling, x, lambda rows: (order_statistic(rows, low_rank), order_statistic(rows, high_rank)), 2)
    elif calibrator.kind == "ema_minmax":
        low, high = _moving_ranges(x, scheme, tiling)
    else:
        low, high = _map(tiling, x, lambda rows: (rows.min(axis=1), rows.max(axis=1)), 2)
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    if calibrator.kind == "kl":
        bits = scheme.element.bits
        # One-sided data spread all codes over the magnitudes, two-sided data about half of them.
        one_sided = (low == 0) | (high == 0)
        amplitude = np.zeros(tiling.grid, np.float32)
        for levels, blocks in ((1 << bits, one_sided), (1 << bits - 1, ~one_sided)):
            if blocks.any():
                amplitude = np.where(blocks, _kl_amplitudes(x, scheme, tiling, levels), amplitude)
        low, high = np.maximum(low, -amplitude), np.minimum(high, amplitude)
    return low, high


def _refine_affine(
    x: Float32, scheme: OperandScheme, tiling: Tiling, start: Scales, widest: NDArray[np.float64]
) -> QuantParams:
    """Scales and zero points of least squared error.

    ``widest`` is 2·amax of each block. The search starts from the scale that the symmetric scheme would have: where a few
    outliers make the error, scales coarser than minmax may meet them best.
    """
    qmin, qmax = scheme.element.limits(scheme.narrow_range)
    nearest = _nearest_scale(scheme, start)
    limits = nearest(np.maximum(start.scale, widest / (qmax - qmin - 1)))

    def search(rows: NDArray[Any], limit: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
        fit = minimise_mse_affine(rows, qmin, qmax, limit, nearest)
        return fit.scale, fit.zero_point

    scale, zero_point = tiling.map_blocks(x, search, (np.float32(1), np.int32(0)), limits)
    return QuantParams(_stored(scale, scheme, start), zero_point)


def _nearest_scale(scheme: OperandScheme, start: Scales) -> Nearest:
    """Rounds effective scales to what the format can store, under the global scale of ``start``."""
    row, whole = scheme.scales, start.global_scale or 1.0

    def nearest(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        stored = np.clip(row.nearest(np.clip(wanted / whole, row.minimum, row.maximum)), row.minimum, row.maximum)
        return (stored * whole).astype(np.float32).astype(np.float64)

    return nearest


def _stored(scale: Float32, scheme: OperandScheme, start: Scales) -> Scales:
    """Found scales with their two levels, where the format has two."""
    if start.global_scale is None:
        return Scales(scale)
    block = scheme.scales.nearest(scale.astype(np.float64) / start.global_scale).astype(np.float32)
    return Scales(scale, block, start.global_scale)

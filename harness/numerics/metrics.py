"""Error metrics. One row per metric; sums in float64.

A comparison holds the exact values and their approximation. Where either is not finite the position is left out of the
error and counted instead. Metrics that do not apply (no element, no blocks, a product) are None.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.numerics.granularity import Tiling
from harness.numerics.parallel import PART_ELEMENTS, in_parts, pairwise_sum

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
OUTPUT_BLOCK = 128
"""Consecutive outputs of a row that make a block where no scale block is meant (products, per_tensor)."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """``exact`` and ``approximate`` of one shape. ``saturated`` marks elements outside the range, where that is known;
    ``tiling`` gives the blocks of the worst-block figure (None: 128 consecutive elements of a row)."""

    exact: NDArray[Any]
    approximate: NDArray[Any]
    saturated: Bool | None = None
    tiling: Tiling | None = None

    @functools.cached_property
    def valid(self) -> Bool | None:
        """Where both are finite; None where that is everywhere."""
        exact, approximate = self.exact.reshape(-1), self.approximate.reshape(-1)

        def finite(part: slice) -> bool:
            return bool(np.isfinite(exact[part]).all() and np.isfinite(approximate[part]).all())

        if all(in_parts(finite, self.exact.size)):
            return None
        return np.asarray(np.isfinite(self.exact) & np.isfinite(self.approximate))

    @functools.cached_property
    def error_squared(self) -> Float64:
        exact, approximate = self.exact.reshape(-1), self.approximate.reshape(-1)
        valid = None if self.valid is None else self.valid.reshape(-1)
        squared = np.empty(exact.shape)

        def fill(part: slice) -> None:
            error = squared[part]
            with np.errstate(invalid="ignore"):  # Inf - Inf, left out below
                np.subtract(approximate[part], exact[part], out=error, dtype=np.float64)
            if valid is not None:
                error[~valid[part]] = 0.0
            np.square(error, out=error)

        in_parts(fill, exact.size)
        return squared.reshape(self.exact.shape)

    @functools.cached_property
    def signal(self) -> Float64:
        """``exact`` in float64, 0 where it is left out."""
        return self._float64(self.exact)

    @functools.cached_property
    def estimate(self) -> Float64:
        """``approximate`` in float64, 0 where it is left out."""
        return self._float64(self.approximate)

    def _float64(self, array: NDArray[Any]) -> Float64:
        if self.valid is not None:
            return np.where(self.valid, array.astype(np.float64), 0.0)
        if array.dtype == np.float64:
            return array
        given, made = array.reshape(-1), np.empty(array.size)
        in_parts(lambda part: np.copyto(made[part], given[part]), array.size)
        return made.reshape(array.shape)

    @functools.cached_property
    def count(self) -> int:
        return self.exact.size if self.valid is None else int(np.count_nonzero(self.valid))

    @functools.cached_property
    def saturated_count(self) -> int:
        return 0 if self.saturated is None else int(np.count_nonzero(self.saturated))

    @functools.cached_property
    def noise_power(self) -> float:
        squared = self.error_squared.reshape(-1)
        return pairwise_sum(lambda part: float(squared[part].sum()), squared.size)

    @functools.cached_property
    def signal_power(self) -> float:
        return _product_sum(self.signal, self.signal)


def decibel(signal: float, noise: float) -> float:
    """10·log10(signal / noise): +inf for an exact result, -inf for noise where no signal is."""
    if noise == 0:
        return math.inf
    return 10 * (math.log10(signal) - math.log10(noise)) if signal > 0 else -math.inf


def _sqnr(c: Comparison) -> float | None:
    return decibel(c.signal_power, c.noise_power) if c.count else None


def _mse(c: Comparison) -> float | None:
    return c.noise_power / c.count if c.count else None


def _max_abs_error(c: Comparison) -> float | None:
    if not c.count:
        return None
    squared = c.error_squared.reshape(-1)
    return math.sqrt(max(in_parts(lambda part: float(squared[part].max()), squared.size)))


def _mean_relative_error(c: Comparison) -> float | None:
    signal, squared = c.signal.reshape(-1), c.error_squared.reshape(-1)
    nonzero = sum(in_parts(lambda part: int(np.count_nonzero(signal[part])), signal.size))

    def relative(part: slice) -> Float64:
        x, error = signal[part], squared[part]
        if nonzero < signal.size:
            keep = x != 0
            x, error = x[keep], error[keep]
        with np.errstate(over="ignore"):
            found: Float64 = np.sqrt(error) / np.abs(x)
        return found

    if not nonzero:
        return None
    if nonzero < signal.size:
        return float(np.mean(np.concatenate(in_parts(relative, signal.size))))
    return pairwise_sum(lambda part: float(relative(part).sum()), signal.size) / signal.size


def _cosine(c: Comparison) -> float | None:
    norm = math.sqrt(c.signal_power) * math.sqrt(_product_sum(c.estimate, c.estimate))
    return _product_sum(c.signal, c.estimate) / norm if norm > 0 else None


def _product_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Σ ab. Not by BLAS, whose order of adding, and so whose last bits, depend on its number of threads."""
    a, b = a.reshape(-1), b.reshape(-1)
    return pairwise_sum(lambda part: float((a[part] * b[part]).sum()), a.size)


def _saturated_fraction(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    return c.saturated_count / c.count


def _clipping_mse(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    return float(c.error_squared[c.saturated].sum()) / c.count if c.saturated_count else 0.0


def _rounding_mse(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    inside = float(c.error_squared[~c.saturated].sum()) if c.saturated_count else c.noise_power
    return inside / c.count


def _worst_block_sqnr(c: Comparison) -> float | None:
    """Blocks without signal and without error are exact; of all blocks the lowest figure counts."""
    if not c.count:
        return None
    tiling = c.tiling if c.tiling is not None else _output_blocks(c.exact.shape)
    signal = tiling.map_blocks(c.signal, lambda rows: (_block_sums(rows, np.square),), (0.0,))[0]
    noise = tiling.map_blocks(c.error_squared, lambda rows: (_block_sums(rows, np.asarray),), (0.0,))[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * (np.log10(signal) - np.log10(noise))
    return float(np.where(noise == 0, math.inf, ratio).min())


def _block_sums(rows: Float64, function: Callable[[Float64], Float64]) -> Float64:
    """Sums of ``function`` of each row of ``rows`` [N, E]."""
    if not rows.flags.c_contiguous:
        return np.asarray(function(rows).sum(axis=1))
    sums = np.empty(len(rows))
    most = PART_ELEMENTS // max(1, rows.shape[1])
    in_parts(lambda part: function(rows[part]).sum(axis=1, out=sums[part]), len(rows), most)
    return sums


def _output_blocks(shape: tuple[int, ...]) -> Tiling:
    return Tiling(shape, (*(1,) * (len(shape) - 1), OUTPUT_BLOCK)[: len(shape)])


@dataclass(frozen=True)
class Metric:
    """One error metric: a column of the results. ``better`` says which direction is an improvement."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    label: str
    function: Callable[[Comparison], float | None]


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("sqnr_db", "dB", "higher", "signal to quantization noise ratio", _sqnr),
        Metric("mse", "squared units", "lower", "mean squared error", _mse),
        Metric("max_abs_error", "units", "lower", "largest absolute error", _max_abs_error),
        Metric(
            "mean_relative_error", "1", "lower", "mean |error| / |value| over non-zero values", _mean_relative_error
        ),
        Metric("cosine", "1", "higher", "cosine similarity", _cosine),
        Metric("saturated_fraction", "1", "lower", "share of values outside the range", _saturated_fraction),
        Metric("rounding_mse", "squared units", "lower", "part of mse from values inside the range", _rounding_mse),
        Metric("clipping_mse", "squared units", "lower", "part of mse from saturated values", _clipping_mse),
        Metric("worst_block_sqnr_db", "dB", "higher", "lowest SQNR of a block", _worst_block_sqnr),
    )
}


def evaluate(comparison: Comparison) -> dict[str, float | None]:
    """Every metric of METRICS, by name."""
    return {row.name: row.function(comparison) for row in METRICS.values()}

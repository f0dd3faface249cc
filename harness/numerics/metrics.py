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
        finite = np.isfinite(self.exact) & np.isfinite(self.approximate)
        return None if finite.all() else finite

    @functools.cached_property
    def error_squared(self) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # Inf - Inf, left out below
            error: NDArray[np.float64] = np.asarray(np.subtract(self.approximate, self.exact, dtype=np.float64))
        if self.valid is not None:
            error[~self.valid] = 0.0
        np.square(error, out=error)
        return error

    @functools.cached_property
    def signal(self) -> NDArray[np.float64]:
        """``exact`` in float64, 0 where it is left out."""
        exact = self.exact.astype(np.float64)
        return exact if self.valid is None else np.where(self.valid, exact, 0.0)

    @property
    def count(self) -> int:
        return self.exact.size if self.valid is None else int(np.count_nonzero(self.valid))

    @functools.cached_property
    def noise_power(self) -> float:
        return float(self.error_squared.sum())

    @functools.cached_property
    def signal_power(self) -> float:
        return float(np.vdot(self.signal, self.signal))


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
    return math.sqrt(float(c.error_squared.max())) if c.count else None


def _mean_relative_error(c: Comparison) -> float | None:
    nonzero = c.signal != 0
    if not nonzero.any():
        return None
    with np.errstate(over="ignore"):
        return float(np.mean(np.sqrt(c.error_squared[nonzero]) / np.abs(c.signal[nonzero])))


def _cosine(c: Comparison) -> float | None:
    approximate = c.approximate.astype(np.float64)
    if c.valid is not None:
        approximate = np.where(c.valid, approximate, 0.0)
    norm = math.sqrt(c.signal_power) * math.sqrt(float(np.vdot(approximate, approximate)))
    return float(np.vdot(c.signal, approximate)) / norm if norm > 0 else None


def _saturated_fraction(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    return float(np.count_nonzero(c.saturated)) / c.count


def _clipping_mse(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    return float(c.error_squared[c.saturated].sum()) / c.count


def _rounding_mse(c: Comparison) -> float | None:
    if c.saturated is None or not c.count:
        return None
    return float(c.error_squared[~c.saturated].sum()) / c.count


def _worst_block_sqnr(c: Comparison) -> float | None:
    """Blocks without signal and without error are exact; of all blocks the lowest figure counts."""
    if not c.count:
        return None
    tiling = c.tiling if c.tiling is not None else _output_blocks(c.exact.shape)
    signal = tiling.map_blocks(np.square(c.signal), lambda rows: (rows.sum(axis=1),), (0.0,))[0]
    noise = tiling.map_blocks(c.error_squared, lambda rows: (rows.sum(axis=1),), (0.0,))[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * (np.log10(signal) - np.log10(noise))
    return float(np.where(noise == 0, math.inf, ratio).min())


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

"""Wrong ways from values to scales and zero points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.pitfalls.quantize import ends_of
from harness.numerics.calibrate import QuantParams
from harness.numerics.scales import Scales, symmetric_scales

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Divergence = Callable[[Float64, int, int], float]


def _by_block(problem: TensorProblem, amplitude: Callable[[Float32], float]) -> QuantParams:
    """Symmetric scales of an amplitude made of each block's magnitudes (f32, flat)."""
    scheme, tiling = problem.quantized.scheme, problem.quantized.tiling
    magnitudes = np.abs(problem.finite)

    def made(rows: Float32) -> tuple[Float32]:
        return (np.array([amplitude(row) for row in rows], np.float32),)

    (found,) = tiling.map_blocks(magnitudes, made, (np.float32(0),))
    return QuantParams(symmetric_scales(found, scheme.element, scheme.scales), None)


def _percentile_off_by_one(problem: TensorProblem) -> QuantParams:
    percentile = problem.quantized.scheme.calibrator.argument
    assert percentile is not None, "planned for percentile:P"
    share = np.float32(percentile / 100)

    def amplitude(row: Float32) -> float:
        index = int(np.float32(row.size) * share)  # wrong: the P-th percent ends one element earlier
        return float(np.sort(row)[min(index, row.size - 1)])

    return _by_block(problem, amplitude)


def _kl_unsmoothed(problem: TensorProblem) -> QuantParams:
    def divergence(counts: Float64, kept: int, levels: int) -> float:
        p, q = _distributions(counts, kept, levels)
        both = (p > 0) & (q > 0)  # wrong: where Q alone is 0 the divergence is infinite, not 0
        return float(np.sum(p[both] * np.log(p[both] / q[both])))

    return _by_kl(problem, divergence)


def _kl_outliers_in_q(problem: TensorProblem) -> QuantParams:
    def divergence(counts: Float64, kept: int, levels: int) -> float:
        clipped = counts[:kept].copy()
        clipped[-1] += counts[kept:].sum()
        p, q = _distributions(clipped, kept, levels)  # wrong: Q is told of the outliers, so clipping them costs nothing
        both = p > 0
        return float(np.sum(p[both] * np.log(p[both] / q[both])))

    return _by_kl(problem, divergence)


def _distributions(counts: Float64, kept: int, levels: int) -> tuple[Float64, Float64]:
    """P, the first ``kept`` bins with what lies beyond added to the last of them; Q, those bins dealt to ``levels`` levels and
    spread over the bins where P is not zero. Both sum to 1."""
    inside = counts[:kept]
    p = inside.copy()
    p[-1] += counts[kept:].sum()
    level = np.arange(kept) * levels // kept
    mass, bins = np.bincount(level, inside, levels), np.bincount(level, p > 0, levels)
    q = np.where(p > 0, mass[level] / np.maximum(bins[level], 1), 0.0)
    return p / max(p.sum(), 1), q / max(q.sum(), 1)


def _by_kl(problem: TensorProblem, divergence: Divergence) -> QuantParams:
    scheme = problem.quantized.scheme
    bins, levels = int(scheme.calibrator.argument or 2048), 1 << (scheme.element.bits - 1)

    def amplitude(row: Float32) -> float:
        width = float(row.max()) / bins
        counts = np.bincount(np.minimum((row / width).astype(np.int64), bins - 1), minlength=bins).astype(np.float64)
        candidates = range(levels, bins + 1)
        return width * min(candidates, key=lambda kept: divergence(counts, kept, levels))

    return _by_block(problem, amplitude)


def _range_without_zero(problem: TensorProblem) -> QuantParams:
    element = problem.quantized.scheme.element
    qmin, qmax = element.limits()
    low, high = ends_of(problem)  # wrong: a range that leaves 0 out has no zero point among the codes
    scale = ((high - low) / np.float32(qmax - qmin)).astype(np.float32)
    return QuantParams(Scales(scale), np.clip(np.rint(qmin - low / scale), qmin, qmax).astype(np.int32))


def _range_for_amplitude(problem: TensorProblem) -> QuantParams:
    low, high = ends_of(problem)
    element, scales = problem.quantized.scheme.element, problem.quantized.scheme.scales
    return QuantParams(symmetric_scales(high - low, element, scales), None)  # wrong: an amplitude is half of a range


PERCENTILE_OFF_BY_ONE = oracle_kernel(_percentile_off_by_one)
KL_UNSMOOTHED = oracle_kernel(_kl_unsmoothed)
KL_OUTLIERS_IN_Q = oracle_kernel(_kl_outliers_in_q)
RANGE_WITHOUT_ZERO = oracle_kernel(_range_without_zero)
RANGE_FOR_AMPLITUDE = oracle_kernel(_range_for_amplitude)

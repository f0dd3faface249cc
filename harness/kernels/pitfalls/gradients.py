"""Wrong gradients through fake quantization: straight-through and LSQ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.fake_quantize_backward.oracle import BackwardProblem, summed
from harness.kernels.pitfalls.quantize import Affine, affine_of, half_away
from harness.numerics.gradients import Gradients


def _ste_divided_by_scale(problem: BackwardProblem) -> Gradients:
    right, a = problem.differentiate(), affine_of(problem.tensor)
    # wrong: d(x/s)/ds is not the output's derivative; the sign is turned, and what saturates is left out
    by_scale = np.where(right.inside, -right.by_scale / a.scale.astype(np.float64), 0.0)
    return summed(replace(right, by_scale=by_scale), problem.upstream)


def _ste_unclipped(problem: BackwardProblem) -> Gradients:
    right, a = problem.differentiate(), affine_of(problem.tensor)
    everywhere = np.ones_like(right.inside)  # wrong: the output does not follow values that saturate
    return summed(replace(right, inside=everywhere, by_scale=_within(a)), problem.upstream)


def _ste_unrounded_mask(problem: BackwardProblem) -> Gradients:
    right, a = problem.differentiate(), affine_of(problem.tensor)
    below, above = a.quotient + a.zero < a.low, a.quotient + a.zero > a.high  # wrong: 127.4 has the code 127
    inside = ~(below | above)
    outside = np.where(below, a.low - a.zero, a.high - a.zero)
    by_zero = None if right.by_zero_point is None else np.where(inside, 0.0, -a.scale.astype(np.float64))
    by_scale = np.where(inside, _within(a), outside)
    return summed(replace(right, inside=inside, by_scale=by_scale, by_zero_point=by_zero), problem.upstream)


def _lsq_swapped_bounds(problem: BackwardProblem) -> Gradients:
    right, a = problem.differentiate(), affine_of(problem.tensor)
    qn = a.high
    qp = -qn  # wrong: Q_N and Q_P change places, so the least code is lost and its neighbour counts as saturated
    code = np.clip(half_away(a.quotient), qp, qn)
    saturated = (code == qn) | (code == qp)
    by_scale = np.where(saturated, code, code - a.quotient)
    return summed(replace(right, inside=~saturated, by_scale=by_scale), problem.upstream)


def _lsq_whole_tensor_count(problem: BackwardProblem) -> Gradients:
    right, a = problem.differentiate(), affine_of(problem.tensor)
    count = a.x.size  # wrong: N is what shares a scale, a channel's elements
    return summed(replace(right, factor=np.full(right.tiling.grid, 1 / np.sqrt(count * a.high))), problem.upstream)


def _within(a: Affine) -> NDArray[np.float64]:
    """rint(x/s) - x/s, saturated or not."""
    made: NDArray[np.float64] = (np.rint(a.quotient) - a.quotient).astype(np.float64)
    return made


STE_DIVIDED_BY_SCALE = oracle_kernel(_ste_divided_by_scale)
STE_UNCLIPPED = oracle_kernel(_ste_unclipped)
STE_UNROUNDED_MASK = oracle_kernel(_ste_unrounded_mask)
LSQ_SWAPPED_BOUNDS = oracle_kernel(_lsq_swapped_bounds)
LSQ_WHOLE_TENSOR_COUNT = oracle_kernel(_lsq_whole_tensor_count)

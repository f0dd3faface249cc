"""Which results no other result beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pareto_front(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    larger_x_is_better: bool,
    larger_y_is_better: bool,
) -> NDArray[np.bool_]:
    """Mask ``[n]`` of the points that no other point dominates.

    A point dominates another when it is at least as good on both axes and better on one: equal points are therefore
    all on the front or all off it. A point with NaN is never on it; ±inf are ordinary values.
    """
    gain_x = np.where(larger_x_is_better, x, -x)
    gain_y = np.where(larger_y_is_better, y, -y)
    front = np.zeros(len(x), dtype=bool)
    candidates = np.flatnonzero(~(np.isnan(gain_x) | np.isnan(gain_y)))
    if not len(candidates):
        return front
    order = candidates[np.lexsort((-gain_y[candidates], -gain_x[candidates]))]
    sorted_x, sorted_y = gain_x[order], gain_y[order]
    starts = np.flatnonzero(np.r_[True, sorted_x[1:] != sorted_x[:-1]])
    group = np.cumsum(np.r_[True, sorted_x[1:] != sorted_x[:-1]]) - 1
    # Within a group of equal x the first point has the best y; it must also beat every group of better x.
    best_in_group = sorted_y[starts]
    best_before = np.r_[-np.inf, np.maximum.accumulate(best_in_group)[:-1]]
    beats = best_in_group > best_before
    beats[0] = True
    front[order] = (sorted_y == best_in_group[group]) & beats[group]
    return front

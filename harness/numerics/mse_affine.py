"""Least squared error of small scale blocks under an affine scheme: the sweep of ``mse_sweep`` for each zero point.

Codes q in [qmin, qmax] mean x = (q - z) s, so for a fixed zero point z the levels are the integers from qmin - z to
qmax - z. Which integer is nearest to x / s does not depend on z, only where the integers end does. So the breakpoints
are listed and sorted once, for the widest ends, and each zero point takes those within its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numerics.mse_bounds import Window, descend
from harness.numerics.mse_levels import CodeRange, Floats, Grid, Ints, row_dot
from harness.numerics.mse_sweep import Ragged, best_vertex, groups


@dataclass(frozen=True, eq=False)
class Affine:
    """The best of each block, [b] each."""

    t: Floats
    zero_point: Ints


def sweep_affine(u: Floats, codes: CodeRange, grid: Grid) -> Affine:
    """Scale and zero point of least squared error of rows ``u`` [b, E], which ascend."""
    zero_point = codes.covering(u[:, 0])
    bound = descend(lambda rows, t: codes.squared_error(u[rows], t, zero_point[rows]), np.ones(len(u)), grid)
    window = Window.of(u, bound, codes, grid)
    low, high = (codes.qmin - window.last_zero)[:, None], (codes.qmax - window.first_zero)[:, None]
    first = np.clip(np.rint(u / grid.limit[:, None]), low, high)
    counts = np.abs(np.clip(np.rint(u / window.floor[:, None]), low, high) - first).astype(np.int64)
    t = np.empty(len(u))
    for group in groups(counts.sum(axis=1)):
        rows = group[np.argsort(-window.choices()[group])]
        best = _best_of_group(u[rows], first[rows], counts[rows], codes, grid.rows(rows), window.rows(rows))
        t[rows], zero_point[rows] = best.t, best.zero_point
    return Affine(t, zero_point)


def _best_of_group(u: Floats, first: Floats, counts: Ints, codes: CodeRange, grid: Grid, window: Window) -> Affine:
    """Rows must come by falling number of zero points: those that still have one are then a leading slice."""
    ragged = Ragged.of(counts)
    x = u.ravel()[ragged.element]
    reached = np.abs(first).ravel()[ragged.element] + (ragged.step + 1)
    at = np.abs(x) / (reached - 0.5)
    order = ragged.order(at)
    t = ragged.table(at)[order]
    a = ragged.table(np.abs(x))[order]
    code = ragged.table(np.copysign(reached, x))[order]
    b = np.maximum(2 * np.abs(code) - 1, 0.0)  # c^2 - (c - 1)^2, and nothing in empty cells
    best = Affine(np.ones(len(u)), window.first_zero.copy())
    value = np.full(len(u), np.inf)
    choices = window.choices()
    for offset in range(int(choices.max())):
        rows = slice(int(np.count_nonzero(choices > offset)))
        zero_point = window.first_zero[rows] + offset
        low, high = (codes.qmin - zero_point)[:, None], (codes.qmax - zero_point)[:, None]
        columns = slice(1 + np.count_nonzero(t[rows] >= window.floor_at(zero_point, codes)[:, None], axis=1).max())
        inside = (code[rows, columns] >= low) & (code[rows, columns] <= high)
        begin = np.clip(first[rows], low, high)
        a_steps, b_steps = a[rows, columns] * inside, b[rows, columns] * inside
        a_steps[:, 0] = row_dot(u[rows], begin)
        b_steps[:, 0] = row_dot(begin, begin)
        vertex = best_vertex(np.cumsum(a_steps, axis=1), np.cumsum(b_steps, axis=1), grid.rows(rows))
        better = np.flatnonzero(vertex.value < value[rows])
        value[better], best.t[better] = vertex.value[better], vertex.t[better]
        best.zero_point[better] = zero_point[better]
    return best

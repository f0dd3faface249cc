"""Least squared error of small scale blocks under an affine scheme: the sweep of ``mse_sweep`` for each zero point.

Codes q in [qmin, qmax] mean x = (q - z) s: for a fixed z the levels are the integers from qmin - z to qmax - z. Which
integer is nearest to x / s does not depend on z, only where the integers end does. So the breakpoints are listed and
sorted once, for the widest ends, and each zero point takes those within its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.numerics.mse_sweep import (
    LEAST_RATIO,
    Floats,
    Grid,
    Ints,
    Ragged,
    best_vertex,
    descend,
    groups,
    high_tail,
    low_tail,
    side_root,
)


@dataclass(frozen=True)
class Affine:
    """Scales in units of each block's ``scale_max``, and zero points, of [b] blocks."""

    t: Floats
    zero_point: Ints


@dataclass(frozen=True)
class CodeRange:
    """The codes of an affine format."""

    qmin: int
    qmax: int

    @property
    def steps(self) -> int:
        return self.qmax - self.qmin

    def squared_error(self, u: Floats, t: Floats, zero_point: Ints) -> Floats:
        """Sum of squared error [b] of rows ``u`` [b, E], in units of scale_max^2."""
        t, low, high = t[:, None], (self.qmin - zero_point)[:, None], (self.qmax - zero_point)[:, None]
        residual = u - t * np.clip(np.rint(u / t), low, high)
        return np.einsum("ij,ij->i", residual, residual)

    def covering(self, least: Floats) -> Ints:
        """The zero point [b] with which t = 1 reaches down to ``least`` <= 0, in codes."""
        return np.clip(np.rint(self.qmin - least), self.qmin, self.qmax).astype(np.int64)


@dataclass(frozen=True)
class Window:
    """Where the best scale and zero point of each block can lie, [b] each; bounds are inclusive."""

    floor: Floats
    first_zero: Ints
    last_zero: Ints

    @classmethod
    def around(cls, u: Floats, bound: Floats, codes: CodeRange, grid: Grid, least: Floats) -> Window:
        """The scales and zero points whose clipping error alone does not exceed ``bound`` [b].

        ``u`` [b, E] ascends along its rows; ``least`` [b] is a t to stop at in any case. A zero point that adds codes
        beyond the last element of one side only takes codes from the other, and is left out too.
        """
        top, bottom = np.maximum(u[:, -1], 0.0), np.maximum(-u[:, 0], 0.0)
        kept_top = np.minimum(side_root(high_tail(u), 1.0, bound), top)
        kept_bottom = np.minimum(side_root(low_tail(u), 1.0, bound), bottom)
        floor = np.clip((kept_top + kept_bottom) / codes.steps, least, grid.limit)
        codes_above = np.ceil(kept_top / grid.limit - 1e-9), np.rint(top / floor)
        codes_below = np.ceil(kept_bottom / grid.limit - 1e-9), np.rint(bottom / floor)
        last = np.minimum(codes.qmax - codes_above[0], codes.qmin + codes_below[1])
        first = np.maximum(codes.qmin + codes_below[0], codes.qmax - codes_above[1])
        last = np.clip(last, codes.qmin, codes.qmax).astype(np.int64)
        return cls(floor, np.clip(first, codes.qmin, last).astype(np.int64), last)

    def rows(self, index: NDArray[np.intp]) -> Window:
        return Window(self.floor[index], self.first_zero[index], self.last_zero[index])


def sweep_affine(u: Floats, codes: CodeRange, grid: Grid) -> Affine:
    """Scale and zero point of least squared error of each row of ``u`` [b, E], ascending, in units of scale_max."""
    start = np.ones(len(u))
    zero_point = codes.covering(np.minimum(u[:, 0], 0.0))
    bound = descend(lambda rows, t: codes.squared_error(u[rows], t, zero_point[rows]), start, grid)
    peak = np.maximum(u[:, -1], -u[:, 0])
    least = grid.snap(np.where(peak > 0, peak, 1.0) / codes.steps * LEAST_RATIO)
    window = Window.around(u, bound, codes, grid, least)
    low, high = (codes.qmin - window.last_zero)[:, None], (codes.qmax - window.first_zero)[:, None]
    first = np.clip(np.rint(u / grid.limit[:, None]), low, high)
    counts = np.abs(np.clip(np.rint(u / window.floor[:, None]), low, high) - first).astype(np.int64)
    t = np.empty(len(u))
    choices = window.last_zero - window.first_zero
    for group in groups(counts.sum(axis=1)):
        rows = group[np.argsort(-choices[group])]
        best = _best_of_group(u[rows], first[rows], counts[rows], codes, grid.rows(rows), window.rows(rows))
        t[rows], zero_point[rows] = best.t, best.zero_point
    return Affine(t, zero_point)


def _best_of_group(u: Floats, first: Floats, counts: Ints, codes: CodeRange, grid: Grid, window: Window) -> Affine:
    """As above; rows must be in descending order of their number of zero points."""
    ragged = Ragged.of_counts(counts)
    x = u.ravel()[ragged.element]
    reached = np.abs(first).ravel()[ragged.element] + (ragged.step + 1)
    falling = ragged.spread(np.abs(x) / (0.5 - reached), -np.inf, np.inf, len(u))
    order = np.argsort(falling, axis=1)
    order += np.arange(len(u))[:, None] * ragged.width
    a = ragged.spread(np.abs(x), 0.0, 0.0, len(u)).ravel()[order]
    code = ragged.spread(np.copysign(reached, x), 0.0, 0.0, len(u)).ravel()[order]
    b = 2 * np.abs(code) - 1
    best = Affine(np.ones(len(u)), window.first_zero.copy())
    value = np.full(len(u), np.inf)
    choices = window.last_zero - window.first_zero + 1
    for offset in range(int(choices.max())):
        rows = slice(int(np.count_nonzero(choices > offset)))
        zero_point = window.first_zero[rows] + offset
        low, high = (codes.qmin - zero_point)[:, None], (codes.qmax - zero_point)[:, None]
        inside = (code[rows] >= low) & (code[rows] <= high)
        begin = np.clip(first[rows], low, high)
        a_steps, b_steps = a[rows] * inside, b[rows] * inside
        a_steps[:, 0] = np.einsum("ij,ij->i", u[rows], begin)
        b_steps[:, 0] = np.einsum("ij,ij->i", begin, begin)
        vertex = best_vertex(np.cumsum(a_steps, axis=1), np.cumsum(b_steps, axis=1), grid.rows(np.arange(rows.stop)))
        better = np.flatnonzero(vertex.value < value[rows])
        value[better], best.t[better] = vertex.value[better], vertex.t[better]
        best.zero_point[better] = zero_point[better]
    return best

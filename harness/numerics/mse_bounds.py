"""Which scales can be the best at all: the cheap bounds that keep a search for the least squared error short.

The error of the elements beyond the last level, alone, only grows as the scale falls. So one known total error bounds
the scale from below, without loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.numerics.mse_levels import Codebook, CodeRange, Floats, Grid, Index, Ints, row_dot

DESCENT_RATIO = 0.9
# Below this part of the scale that just holds the largest element, the error is within 0.001 dB of coding nothing.
LEAST_RATIO = 1e-6
# Room for the rounding of the bound itself.
SLACK = 1e-9


def descend(error: Callable[[Index, Floats], Floats], start: Floats, grid: Grid) -> Floats:
    """A total error [b] that some stored scale attains: t falls from ``start`` [b] until ``error(rows, t)`` grows."""
    rows: Index = np.arange(len(start))
    best = error(rows, grid.limit)
    t = start
    while len(rows):
        t = t * DESCENT_RATIO
        found = error(rows, grid.rows(rows).snap(t))
        better = found < best[rows]
        best[rows[better]] = found[better]
        rows, t = rows[better], t[better]
    return best


def holding(u: Floats, book: Codebook) -> Floats:
    """The least t [b] that clips nothing which can be helped, at most 1; rows ``u`` [b, E] ascend."""
    t = np.zeros(len(u))
    for peak, level in ((u[:, -1], book.levels[-1]), (-u[:, 0], -book.levels[0])):
        if level > 0:
            t = np.maximum(t, peak / level)
    return np.where(t > 0, np.minimum(t, 1.0), 1.0)


def clipping_floor(u: Floats, book: Codebook, bound: Floats) -> Floats:
    """The t [b] below which clipping alone costs more than ``bound`` [b]; rows ``u`` [b, E] ascend."""
    floor = np.zeros(len(u))
    for tail, level in ((_high_tail(u), book.levels[-1]), (_low_tail(u), -book.levels[0])):
        if level > 0:
            floor = np.maximum(floor, _root(tail, bound) / level)
    return floor


def _high_tail(u: Floats) -> Floats:
    """The largest elements of each row. A bound from these alone is valid, only looser."""
    return u[:, -min(u.shape[1], 8 + u.shape[1] // 32) :]


def _low_tail(u: Floats) -> Floats:
    return -u[:, : min(u.shape[1], 8 + u.shape[1] // 32)]


def _root(tail: Floats, bound: Floats) -> Floats:
    """An amplitude [b], 0 at least, at or just below the root of sum (tail - amplitude)_+^2 = bound.

    The sum is convex and falls, so Newton steps from the left never pass the root.
    """
    amplitude: Floats = np.maximum(tail.max(axis=1) - np.sqrt(bound), 0.0)
    for _ in range(4):
        excess = np.maximum(tail - amplitude[:, None], 0.0)
        surplus = row_dot(excess, excess) - bound
        slope = 2 * excess.sum(axis=1)
        amplitude += np.divide(surplus, slope, out=np.zeros_like(bound), where=(slope > 0) & (surplus > 0))
    return amplitude * (1 - SLACK)


@dataclass(frozen=True, eq=False)
class Window:
    """Where the best scale and zero point of each block can lie, [b] each; all ends are inclusive."""

    floor: Floats
    first_zero: Ints
    last_zero: Ints
    kept_top: Floats  # the amplitudes that the range must reach
    kept_bottom: Floats

    @classmethod
    def of(cls, u: Floats, bound: Floats, codes: CodeRange, grid: Grid) -> Window:
        """The scales and zero points with which clipping alone need not cost more than ``bound`` [b].

        Rows ``u`` [b, E] ascend. A zero point that puts codes beyond the last element of one side only takes them from
        the other, and is left out too.
        """
        top, bottom = np.maximum(u[:, -1], 0.0), np.maximum(-u[:, 0], 0.0)
        kept_top, kept_bottom = _root(_high_tail(u), bound), _root(_low_tail(u), bound)
        peak = np.maximum(top, bottom)
        least = grid.snap(np.where(peak > 0, peak, 1.0) / codes.steps * LEAST_RATIO)
        floor = np.clip((kept_top + kept_bottom) / codes.steps, least, grid.limit)
        last = np.minimum(codes.qmax - np.ceil(kept_top / grid.limit - SLACK), codes.qmin + np.rint(bottom / floor))
        first = np.maximum(codes.qmin + np.ceil(kept_bottom / grid.limit - SLACK), codes.qmax - np.rint(top / floor))
        last = np.clip(last, codes.qmin, codes.qmax)
        first = np.clip(first, codes.qmin, last)
        return cls(floor, first.astype(np.int64), last.astype(np.int64), kept_top, kept_bottom)

    def rows(self, index: Index) -> Window:
        kept = self.kept_top[index], self.kept_bottom[index]
        return Window(self.floor[index], self.first_zero[index], self.last_zero[index], *kept)

    def floor_at(self, zero_point: Ints, codes: CodeRange) -> Floats:
        """The floor of the first blocks, as many as ``zero_point`` [m], if that is their zero point."""
        rows = slice(len(zero_point))
        above, below = np.maximum(codes.qmax - zero_point, 0.5), np.maximum(zero_point - codes.qmin, 0.5)
        return np.maximum(self.kept_top[rows] / above, self.kept_bottom[rows] / below)

    def choices(self) -> Ints:
        """How many zero points each block has."""
        return self.last_zero - self.first_zero + 1

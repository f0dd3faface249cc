"""Least squared error of small scale blocks: an exact sweep over the scales where some code changes.

For one block and scale s let p_e be the signed level nearest to x_e / s. Between two breakpoints the p_e are constant
and the squared error is the parabola X2 - 2 s A + s^2 B with A = sum x p, B = sum p^2. Nearest coding is the best
coding, so the parabola of a piece is nowhere below the true error: the least value over all parabolas is the global
minimum, and a vertex need not lie in its own piece. With a scale format the same argument leaves one candidate a
piece, the format's value nearest to the vertex.

Scales are kept in units of ``scale_max`` (written ``t``, so t <= 1), elements likewise (written ``u``, so that u / t is
a code): magnitudes of 1e-40 and 1e37 behave alike, and sums of neighbouring blocks do not swamp each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Nearest = Callable[[Floats], Floats]

# Cells of one padded array of breakpoints; about ten of them live at once. Timed from 2^16 to 2^20: flat near 2^17.
GROUP_CELLS = 1 << 17
DESCENT_RATIO = 0.9
# Below this part of the scale that just holds amax the error is within 0.001 dB of that of coding nothing at all.
LEAST_RATIO = 1e-6
# Keeps vertices positive; mean|x| / max|x|, the least there is, reaches it in a block of 10^12 elements.
LEAST_VERTEX = 1e-12


@dataclass(frozen=True)
class Ladder:
    """The levels of one sign, as steps away from the least magnitude."""

    base: float
    middles: Floats
    gaps: Floats
    square_gaps: Floats


@dataclass(frozen=True)
class Codebook:
    """Signed levels of a format in ascending order, in units of the scale, and what a step between two of them adds."""

    levels: Floats  # [n + 1]
    middles: Floats  # [n]: where the nearest level changes from levels[i] to levels[i + 1]
    gaps: Floats  # [n]: levels[i + 1] - levels[i]
    square_gaps: Floats  # [n]: levels[i + 1]^2 - levels[i]^2
    zero: int  # middles[zero] = 0 parts the sides
    integer: bool  # levels are consecutive integers, so that rint finds the nearest

    @classmethod
    def of_sides(cls, positive: Floats, negative: Floats) -> Codebook:
        """From the ascending magnitudes that x >= 0 and x < 0 may take."""
        levels = np.concatenate([-negative[::-1], positive]).astype(np.float64)
        middles = (levels[1:] + levels[:-1]) / 2
        zero = len(negative) - 1
        middles[zero] = 0.0  # the sign alone decides between the sides
        integer = bool(negative[0] == 0 == positive[0]) and set(np.diff(levels)) <= {0.0, 1.0}
        return cls(levels, middles, np.diff(levels), np.diff(levels**2), zero, integer)

    def round(self, codes: Floats) -> Floats:
        """The level nearest to each unrounded code."""
        if self.integer:
            return np.clip(np.rint(codes), self.levels[0], self.levels[-1])
        return self.levels[np.searchsorted(self.middles, codes, side="right")]

    def index(self, codes: Floats) -> Ints:
        """Index of the level nearest to each unrounded code."""
        return np.searchsorted(self.middles, codes, side="right")

    def upper(self) -> Ladder:
        after = slice(self.zero + 1, None)
        return Ladder(self.levels[self.zero + 1], self.middles[after], self.gaps[after], self.square_gaps[after])

    def lower(self) -> Ladder:
        below = slice(0, self.zero)
        return Ladder(-self.levels[self.zero], -self.middles[below], self.gaps[below], -self.square_gaps[below])


@dataclass(frozen=True)
class Grid:
    """The scales that a format can hold, up to a limit a block, in units of each block's ``scale_max``."""

    nearest: Nearest
    unit: Floats  # [b]: scale_max
    limit: Floats  # [b]: the largest t allowed; on the grid

    def rows(self, index: NDArray[np.intp]) -> Grid:
        return Grid(self.nearest, self.unit[index], self.limit[index])

    def snap(self, t: Floats) -> Floats:
        """The nearest allowed t that the format holds; ``t`` is [b] or [b, n]."""
        shape = (-1,) + (1,) * (t.ndim - 1)
        unit, limit = self.unit.reshape(shape), self.limit.reshape(shape)
        return np.minimum(positive_nearest(self.nearest, t * unit) / unit, limit)


def positive_nearest(nearest: Nearest, scale: Floats) -> Floats:
    """``nearest``, with the least positive value of the format where it would give 0."""
    rounded = nearest(scale)
    while not rounded.all():
        scale = np.where(rounded > 0, scale, 2 * scale)
        rounded = nearest(scale)
    return rounded


@dataclass(frozen=True)
class Ragged:
    """A variable number of steps for each element of [g, E], laid out in rows of one width, column 0 left free."""

    width: int
    cell: Ints  # flat position of each step in [g, width]
    element: Ints  # flat position of its element in [g, E]
    step: Ints  # its number within the element

    @classmethod
    def of_counts(cls, counts: Ints) -> Ragged:
        per_row = counts.sum(axis=1)
        width = int(per_row.max()) + 1
        flat = counts.ravel()
        used = np.flatnonzero(flat)
        repeats = flat[used]
        ends = np.cumsum(repeats)
        serial = np.arange(int(ends[-1]) if ends.size else 0)
        element = np.repeat(used, repeats)
        step = serial - np.repeat(ends - repeats, repeats)
        row_start = np.cumsum(per_row) - per_row
        rows = np.arange(len(per_row))
        cell = serial + np.repeat(rows * width + 1 - row_start, per_row)
        return cls(width, cell, element, step)

    def spread(self, values: Floats, first: Floats | float, pad: float, rows: int) -> Floats:
        """``values`` of the steps as [rows, width], ``first`` in column 0, ``pad`` where a row is short."""
        table = np.full(rows * self.width, pad)
        table[self.cell] = values
        table = table.reshape(rows, self.width)
        table[:, 0] = first
        return table


def groups(per_row: Ints) -> Iterator[NDArray[np.intp]]:
    """Row indices in sets of similar numbers of steps, each set padding to about GROUP_CELLS cells."""
    order = np.argsort(-per_row)
    start = 0
    while start < len(order):
        rows = max(1, GROUP_CELLS // (int(per_row[order[start]]) + 1))
        yield order[start : start + rows]
        start += rows


def high_tail(u: Floats) -> Floats:
    """The largest elements of rows [b, E] in ascending order; a clipping bound of these alone is valid, only looser."""
    return u[:, -min(u.shape[1], 8 + u.shape[1] // 32) :]


def low_tail(u: Floats) -> Floats:
    """The negatives of the least elements of rows [b, E] in ascending order."""
    return -u[:, : min(u.shape[1], 8 + u.shape[1] // 32)]


def side_root(tail: Floats, level: float, bound: Floats) -> Floats:
    """A t [b] at or just below the root of sum (tail - t level)_+^2 = bound; ``tail`` [b, k], ``bound`` [b].

    The sum is convex and falls with t, so Newton steps from the left never pass the root: the result, 0 at least, is a
    lower bound of every t whose clipping costs no more than ``bound``.
    """
    t = np.maximum((tail.max(axis=1) - np.sqrt(bound)) / level, 0.0)
    for _ in range(4):
        excess = np.maximum(tail - t[:, None] * level, 0.0)
        surplus = np.einsum("ij,ij->i", excess, excess) - bound
        slope = 2 * level * excess.sum(axis=1)
        t += np.divide(surplus, slope, out=np.zeros_like(t), where=(slope > 0) & (surplus > 0))
    return t * (1 - 1e-9)


def clipping_floor(u: Floats, book: Codebook, bound: Floats) -> Floats:
    """The t [b] below which clipping alone costs more than ``bound`` [b]; ``u`` [b, E] ascends along its rows."""
    floor = np.zeros(len(u))
    for tail, level in ((high_tail(u), book.levels[-1]), (low_tail(u), -book.levels[0])):
        if level > 0:
            floor = np.maximum(floor, side_root(tail, level, bound))
    return floor


def holding(u: Floats, book: Codebook) -> Floats:
    """The least t [b] that clips nothing which can be helped, at most 1."""
    t = np.zeros(len(u))
    for peak, level in ((u[:, -1], book.levels[-1]), (-u[:, 0], -book.levels[0])):
        if level > 0:
            t = np.maximum(t, peak / level)
    return np.where(t > 0, np.minimum(t, 1.0), 1.0)


def squared_error(u: Floats, t: Floats, book: Codebook) -> Floats:
    """Sum of squared error [b] of rows ``u`` [b, E] at scale ``t`` [b], in units of scale_max^2."""
    t = t[:, None]
    residual = u - t * book.round(u / t)
    return np.einsum("ij,ij->i", residual, residual)


def descend(error: Callable[[NDArray[np.intp], Floats], Floats], start: Floats, grid: Grid) -> Floats:
    """An upper bound [b] on the least error: t falls by a constant ratio from ``start`` until the error grows."""
    rows = np.arange(len(start))
    best = error(rows, grid.limit)
    t = start
    while len(rows):
        t = t * DESCENT_RATIO
        found = error(rows, grid.rows(rows).snap(t))
        better = found < best[rows]
        best[rows[better]] = found[better]
        rows, t = rows[better], t[better]
    return best


def sweep(blocks: NDArray[np.float32], scale_max: Floats, book: Codebook, nearest: Nearest) -> Floats:
    """The scale [b] of least squared error of each row of ``blocks`` [b, E]."""
    grid = Grid(nearest, scale_max, np.ones(len(blocks)))
    u = np.sort(blocks, axis=1).astype(np.float64) / scale_max[:, None]
    start = holding(u, book)
    bound = descend(lambda rows, t: squared_error(u[rows], t, book), start, grid)
    least = grid.snap(start * LEAST_RATIO)
    floor = np.clip(clipping_floor(u, book, bound), least, 1.0)
    first = book.index(u)
    counts = np.abs(book.index(u / floor[:, None]) - first)
    t = np.empty(len(blocks))
    for rows in groups(counts.sum(axis=1)):
        t[rows] = _best_of_group(u[rows], first[rows], counts[rows], book, grid.rows(rows))
    at_max = squared_error(u, grid.limit, book)
    better = (squared_error(u, t, book) < at_max) & u.any(axis=1)
    return np.where(better, positive_nearest(nearest, t * scale_max), scale_max)


def _best_of_group(u: Floats, first: Ints, counts: Ints, book: Codebook, grid: Grid) -> Floats:
    levels = book.levels[first]
    ragged = Ragged.of_counts(counts)
    x = u.ravel()[ragged.element]
    upward = x > 0
    middle = first.ravel()[ragged.element] + np.where(upward, ragged.step, -1 - ragged.step)
    falling = ragged.spread(-x / book.middles[middle], -np.inf, np.inf, len(u))
    a = ragged.spread(np.abs(x) * book.gaps[middle], np.einsum("ij,ij->i", u, levels), 0.0, len(u))
    square_gaps = book.square_gaps[middle]
    b = ragged.spread(
        np.where(upward, square_gaps, -square_gaps), np.einsum("ij,ij->i", levels, levels), 0.0, len(u)
    )
    order = np.argsort(falling, axis=1)
    order += np.arange(len(u))[:, None] * ragged.width
    return best_vertex(np.cumsum(a.ravel()[order], axis=1), np.cumsum(b.ravel()[order], axis=1), grid).t


@dataclass(frozen=True)
class Vertex:
    """The best candidate of each row."""

    t: Floats  # [g]
    value: Floats  # [g]: its squared error less the sum of squares


def best_vertex(a: Floats, b: Floats, grid: Grid) -> Vertex:
    """Best of the parabolas t^2 b - 2 t a, [g, n] each, at the allowed t nearest to their vertices."""
    limit = grid.limit[:, None]
    t = np.minimum(np.divide(a, b, out=np.broadcast_to(limit, a.shape).copy(), where=b > 0), limit)
    t = grid.snap(np.maximum(t, LEAST_VERTEX))
    value = t * (t * b - 2 * a)
    best = np.argmin(value, axis=1)[:, None]
    return Vertex(np.take_along_axis(t, best, 1)[:, 0], np.take_along_axis(value, best, 1)[:, 0])

"""Least squared error of small scale blocks: an exact sweep over the scales at which some code changes.

For one block and scale t let p_e be the level nearest to u_e / t. Between two breakpoints the p_e are constant and the
squared error is the parabola U2 - 2 t A + t^2 B with A = sum u p, B = sum p^2. Nearest coding is the best coding, so the
parabola of a piece lies nowhere below the true error: the least value over all parabolas is the global minimum, and a
vertex need not lie within its own piece. With a scale format the same argument leaves one candidate a piece, the
stored value nearest to the vertex.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.numerics.mse_bounds import LEAST_RATIO, clipping_floor, descend, holding
from harness.numerics.mse_levels import Codebook, Floats, Grid, Index, Ints, row_dot

# Cells of one padded array of breakpoints, about ten of which live at once: 1 MiB each, so that they stay in cache.
GROUP_CELLS = 1 << 17


def sweep(u: Floats, book: Codebook, grid: Grid) -> Floats:
    """The t [b] of least squared error of rows ``u`` [b, E], which ascend."""
    start = holding(u, book)
    bound = descend(lambda rows, t: book.squared_error(u[rows], t), start, grid)
    floor = np.clip(clipping_floor(u, book, bound), grid.snap(start * LEAST_RATIO), grid.limit)
    first = book.index(u / grid.limit[:, None])
    counts = np.abs(book.index(u / floor[:, None]) - first)
    t = np.empty(len(u))
    for rows in groups(counts.sum(axis=1)):
        t[rows] = _best_of_group(u[rows], first[rows], counts[rows], book, grid.rows(rows))
    return t


def _best_of_group(u: Floats, first: Index, counts: Ints, book: Codebook, grid: Grid) -> Floats:
    ragged = Ragged.of(counts)
    x = u.ravel()[ragged.element]
    upward = x > 0
    middle = first.ravel()[ragged.element] + np.where(upward, ragged.step, -1 - ragged.step)
    order = ragged.order(x / book.middles[middle])
    levels = book.levels[first]
    square_gaps = book.square_gaps[middle]
    a = ragged.table(np.abs(x) * book.gaps[middle])[order]
    b = ragged.table(np.where(upward, square_gaps, -square_gaps))[order]
    a[:, 0] = row_dot(u, levels)
    b[:, 0] = row_dot(levels, levels)
    return best_vertex(np.cumsum(a, axis=1), np.cumsum(b, axis=1), grid).t


def groups(per_row: Ints) -> Iterator[Index]:
    """Row indices in sets of similar numbers of steps, each set padding to about GROUP_CELLS cells."""
    order = np.argsort(-per_row)
    start = 0
    while start < len(order):
        rows = max(1, GROUP_CELLS // (int(per_row[order[start]]) + 1))
        yield order[start : start + rows]
        start += rows


@dataclass(frozen=True, eq=False)
class Ragged:
    """A varying number of steps for each element of [g, E], laid out in [g, width] with column 0 left free."""

    rows: int
    width: int
    cell: Ints  # [n]: flat place of each step in [g, width]
    element: Index  # [n]: flat place of its element in [g, E]
    step: Ints  # [n]: its number within the element, from 0

    @classmethod
    def of(cls, counts: Ints) -> Ragged:
        """``counts`` [g, E]: the number of steps of each element."""
        per_row = counts.sum(axis=1)
        width = int(per_row.max()) + 1
        used = np.flatnonzero(counts)
        repeats = counts.ravel()[used]
        ends = np.cumsum(repeats)
        serial = np.arange(int(repeats.sum()))
        step = serial - np.repeat(ends - repeats, repeats)
        row_start = np.cumsum(per_row) - per_row
        cell = serial + np.repeat(np.arange(len(per_row)) * width + 1 - row_start, per_row)
        return cls(len(per_row), width, cell, np.repeat(used, repeats), step)

    def table(self, values: Floats) -> Floats:
        """``values`` [n] at their cells, flat; 0 in the free column and where a row is short."""
        table = np.zeros(self.rows * self.width)
        table[self.cell] = values
        return table

    def order(self, t: Floats) -> Index:
        """Flat cells [g, width] with the steps of each row by falling ``t`` [n]: the free one first, empty ones last."""
        falling = np.full(self.rows * self.width, np.inf)
        falling[self.cell] = -t
        falling[:: self.width] = -np.inf
        order = np.argsort(falling.reshape(self.rows, self.width), axis=1)
        order += np.arange(self.rows)[:, None] * self.width
        return order


@dataclass(frozen=True, eq=False)
class Vertex:
    """The best candidate of each row, [g] each: t, and the squared error there less the sum of squares."""

    t: Floats
    value: Floats


def best_vertex(a: Floats, b: Floats, grid: Grid) -> Vertex:
    """The least of the parabolas t^2 b - 2 t a, [g, n] each, at the stored t nearest to their vertices."""
    t = vertices(a, b, grid)
    value = t * (t * b - 2 * a)
    best = np.argmin(value, axis=1)[:, None]
    return Vertex(np.take_along_axis(t, best, 1)[:, 0], np.take_along_axis(value, best, 1)[:, 0])


def vertices(a: Floats, b: Floats, grid: Grid) -> Floats:
    """The allowed t nearest to a / b, [g, n] each; the limit where every element is 0 or coded 0."""
    limit = np.broadcast_to(grid.limit[:, None], a.shape)
    t = np.divide(a, b, out=limit.copy(), where=(a > 0) & (b > 0))
    return grid.snap(np.minimum(t, limit))

"""Least squared error of one large scale block: a narrowing grid of scales over sorted elements.

With the elements of each sign sorted and their running sums kept, the coding at a scale s is known from the places of
the n middles between levels: A = sum x p and B = sum p^2 of ``mse_sweep`` cost n binary searches whatever the size of
the block. Each grid point yields the best scale of its own coding (a step of Lloyd's algorithm, Least squares
quantization in PCM, IEEE Trans. Inf. Theory 28, 1982). Many elements make the error smooth between neighbouring
points; scales whose clipping error alone exceeds a known total are left out first, as in the sweep.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.numerics.mse_affine import CodeRange, Window
from harness.numerics.mse_sweep import (
    LEAST_RATIO,
    LEAST_VERTEX,
    Codebook,
    Floats,
    Grid,
    Ints,
    clipping_floor,
    holding,
)

COARSE_RATIO = 0.75
FINE_POINTS = 128
ZOOM_BEST = 4
ZOOM_POINTS = 24


@dataclass(frozen=True)
class Scored:
    """Candidates [m]: t, the squared error less the sum of squares there, and the zero point (0 where there is none)."""

    t: Floats
    value: Floats
    zero_point: Ints

    def best(self) -> int:
        return int(np.argmin(self.value))

    def take(self, index: int) -> Scored:
        one = slice(index, index + 1)
        return Scored(self.t[one], self.value[one], self.zero_point[one])

    def better(self, other: Scored) -> Scored:
        """``self`` unless the best of ``other`` is strictly better."""
        return other.take(other.best()) if other.value.min() < self.value[0] else self


Score = Callable[[Floats], Scored]


@dataclass(frozen=True)
class Sums:
    """How many elements lie above each threshold, and their sum."""

    count: Floats
    total: Floats


@dataclass(frozen=True)
class Side:
    """The elements of one sign: magnitudes in ascending order and their running sums."""

    magnitudes: Floats  # [k]
    running: Floats  # [k + 1]

    @classmethod
    def of(cls, magnitudes: Floats) -> Side:
        return cls(magnitudes, np.concatenate([np.zeros(1), np.cumsum(magnitudes)]))

    def above(self, thresholds: Floats) -> Sums:
        place = np.searchsorted(self.magnitudes, thresholds)
        return Sums((len(self.magnitudes) - place).astype(np.float64), self.running[-1] - self.running[place])


@dataclass(frozen=True)
class SortedBlock:
    """One block, in units of its scale_max."""

    ascending: Floats  # [1, E]
    positive: Side
    negative: Side
    squares: float

    @classmethod
    def of(cls, ascending: Floats) -> SortedBlock:
        split = int(np.searchsorted(ascending, 0.0))
        return cls(
            ascending[None],
            Side.of(ascending[split:]),
            Side.of(-ascending[:split][::-1]),
            float(np.dot(ascending, ascending)),
        )


def symmetric_score(block: SortedBlock, book: Codebook, grid: Grid) -> Score:
    """Scores scales for the levels of ``book``."""
    sides = (block.positive, book.upper()), (block.negative, book.lower())

    def score(t: Floats) -> Scored:
        a, b = np.zeros_like(t), np.zeros_like(t)
        for side, ladder in sides:
            sums = side.above(np.multiply.outer(t, ladder.middles))
            a += ladder.base * side.running[-1] + sums.total @ ladder.gaps
            b += ladder.base**2 * len(side.magnitudes) + sums.count @ ladder.square_gaps
        return _at_vertices(a, b, np.zeros(len(t), dtype=np.int64), grid)

    return score


def affine_score(block: SortedBlock, codes: CodeRange, grid: Grid, zero_points: Ints) -> Score:
    """Scores scales, each with the best of ``zero_points`` [m]."""

    def score(t: Floats) -> Scored:
        a, b = np.zeros((len(t), len(zero_points))), np.zeros((len(t), len(zero_points)))
        for side, ends in (
            (block.positive, codes.qmax - zero_points),
            (block.negative, zero_points - codes.qmin),
        ):
            peak = side.magnitudes[-1] if side.magnitudes.size else 0.0
            reach = min(int(ends.max()), math.ceil(peak / t.min()))
            steps = np.arange(1, reach + 1)
            sums = side.above(np.multiply.outer(t, steps - 0.5))
            # Summed over its steps, an element of code c counts c times in A and 1 + 3 + ... + (2c - 1) = c^2 in B.
            ends = np.minimum(ends, reach)
            a += _running(sums.total)[:, ends]
            b += _running(sums.count * (2 * steps - 1))[:, ends]
        at_point = t[:, None] * (t[:, None] * b - 2 * a)
        best = np.argmin(at_point, axis=1)
        rows = np.arange(len(t))
        return _at_vertices(a[rows, best], b[rows, best], zero_points[best], grid)

    return score


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, … columns."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _at_vertices(a: Floats, b: Floats, zero_point: Ints, grid: Grid) -> Scored:
    """The allowed t nearest to the vertex of each parabola t^2 b - 2 t a; all [m]."""
    t = np.divide(a, b, out=np.full(a.shape, grid.limit[0]), where=b > 0)
    t = grid.snap(np.clip(t, LEAST_VERTEX, grid.limit[0])[None])[0]
    return Scored(t, t * (t * b - 2 * a), zero_point)


def coarse_points(start: float, grid: Grid) -> Floats:
    """Scales over the whole range that can matter, from the limit down."""
    count = math.ceil(math.log(LEAST_RATIO) / math.log(COARSE_RATIO))
    return _points(np.append(start * COARSE_RATIO ** np.arange(count), grid.limit), grid)


def bound_of(block: SortedBlock, scored: Scored) -> Floats:
    """The least known squared error [1], with room for the cancellation of the sum of squares."""
    return np.array([max(block.squares + scored.value.min(), 0.0) + 1e-12 * block.squares])


def narrow(score: Score, floor: float, grid: Grid) -> Scored:
    """The best candidate [1] with t between ``floor`` and the limit."""
    t = _points(np.geomspace(floor, grid.limit[0], FINE_POINTS), grid)
    fine = score(t)
    best = fine.take(fine.best())
    for index in np.argsort(fine.value)[:ZOOM_BEST]:
        near = t[max(index - 1, 0)], t[min(index + 1, len(t) - 1)]
        best = best.better(score(_points(np.linspace(*near, ZOOM_POINTS), grid)))
    while (step := best.better(score(best.t))) is not best:
        best = step
    return best


def _points(t: Floats, grid: Grid) -> Floats:
    return np.unique(grid.snap(t[None])[0])


def search(ascending: Floats, book: Codebook, grid: Grid) -> Scored:
    """The best scale of one block; ``ascending`` [E] in units of scale_max."""
    block = SortedBlock.of(ascending)
    score = symmetric_score(block, book, grid)
    start = float(holding(block.ascending, book)[0])
    bound = bound_of(block, score(coarse_points(start, grid)))
    least = grid.snap(np.array([start * LEAST_RATIO]))
    floor = np.clip(clipping_floor(block.ascending, book, bound), least, grid.limit)
    return narrow(score, float(floor[0]), grid)


def search_affine(ascending: Floats, codes: CodeRange, grid: Grid) -> Scored:
    """The best scale and zero point of one block; ``ascending`` [E] in units of scale_max."""
    block = SortedBlock.of(ascending)
    everything = affine_score(block, codes, grid, np.arange(codes.qmin, codes.qmax + 1))
    start = float(np.abs(ascending[[0, -1]]).max()) / codes.steps
    bound = bound_of(block, everything(coarse_points(min(start, 1.0), grid)))
    least = grid.snap(np.array([start * LEAST_RATIO]))
    window = Window.around(block.ascending, bound, codes, grid, least)
    zero_points = np.arange(window.first_zero[0], window.last_zero[0] + 1)
    return narrow(affine_score(block, codes, grid, zero_points), float(window.floor[0]), grid)

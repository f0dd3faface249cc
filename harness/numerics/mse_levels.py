"""What a search for the least squared error is told: the levels of a format, and the scales that can be stored.

Scales are kept in units of each block's ``scale_max`` and written ``t``; elements likewise and written ``u``, so that
u / t is an unrounded code. Magnitudes of 1e-40 and 1e37 then behave alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Index = NDArray[np.intp]
Nearest = Callable[[Floats], Floats]
"""Rounds scales to the nearest (in value) that their format can hold, elementwise, any shape."""


def row_dot(a: Floats, b: Floats) -> Floats:
    """sum_j a_ij b_ij."""
    sums: Floats = np.einsum("ij,ij->i", a, b)
    return sums


@dataclass(frozen=True, eq=False)
class Ladder:
    """The levels of one sign, as steps up from the least magnitude."""

    base: float
    middles: Floats  # [n]: magnitudes at which step i is taken
    gaps: Floats  # [n]: what it adds to the magnitude
    square_gaps: Floats  # [n]: and to its square


@dataclass(frozen=True, eq=False)
class Codebook:
    """Signed levels of a format in ascending order, in units of the scale; -0 and 0 both stand where 0 is a level."""

    levels: Floats  # [n + 1]
    middles: Floats  # [n]: where the nearest level changes from levels[i] to levels[i + 1]
    gaps: Floats  # [n]: levels[i + 1] - levels[i]
    square_gaps: Floats  # [n]: levels[i + 1]^2 - levels[i]^2
    zero: int  # middles[zero] = 0 parts the signs
    integer: bool  # levels are consecutive integers, so that rint finds the nearest

    @classmethod
    def of_sides(cls, positive: Floats, negative: Floats) -> Codebook:
        """From the ascending magnitudes that x >= 0 and x < 0 may take."""
        levels = np.concatenate([-negative[::-1], positive]).astype(np.float64)
        middles = (levels[1:] + levels[:-1]) / 2
        zero = len(negative) - 1
        middles[zero] = 0.0  # the sign alone decides between the sides
        integer = bool(negative[0] == 0 == positive[0]) and set(np.diff(levels).tolist()) <= {0.0, 1.0}
        return cls(levels, middles, np.diff(levels), np.diff(levels**2), zero, integer)

    def upper(self) -> Ladder:
        after = slice(self.zero + 1, None)
        return Ladder(float(self.levels[self.zero + 1]), self.middles[after], self.gaps[after], self.square_gaps[after])

    def lower(self) -> Ladder:
        """The negative levels, nearest to zero first."""
        below = slice(0, self.zero)
        return Ladder(
            -float(self.levels[self.zero]),
            -self.middles[below][::-1],
            self.gaps[below][::-1],
            -self.square_gaps[below][::-1],
        )

    def round(self, codes: Floats) -> Floats:
        """The level nearest to each unrounded code."""
        if self.integer:
            return np.clip(np.rint(codes), self.levels[0], self.levels[-1])
        return self.levels[self.index(codes)]

    def index(self, codes: Floats) -> Index:
        """Index of the level nearest to each unrounded code."""
        return np.searchsorted(self.middles, codes, side="right")

    def squared_error(self, u: Floats, t: Floats) -> Floats:
        """Sum of squared error [b] of rows ``u`` [b, E] at scales ``t`` [b], in units of scale_max^2."""
        residual = u - t[:, None] * self.round(u / t[:, None])
        return row_dot(residual, residual)


@dataclass(frozen=True)
class CodeRange:
    """The codes q of an affine format: x = (q - zero_point) * scale, all three of q and zero_point in [qmin, qmax]."""

    qmin: int
    qmax: int

    @property
    def steps(self) -> int:
        return self.qmax - self.qmin

    def squared_error(self, u: Floats, t: Floats, zero_point: Ints) -> Floats:
        """Sum of squared error [b] of rows ``u`` [b, E], in units of scale_max^2."""
        low, high = (self.qmin - zero_point)[:, None], (self.qmax - zero_point)[:, None]
        residual = u - t[:, None] * np.clip(np.rint(u / t[:, None]), low, high)
        return row_dot(residual, residual)

    def covering(self, least: Floats) -> Ints:
        """The zero point [b] with which t = 1 reaches down to ``least`` [b], made to include 0."""
        zero_point: Ints = np.clip(np.rint(self.qmin - np.minimum(least, 0.0)), self.qmin, self.qmax).astype(np.int64)
        return zero_point


@dataclass(frozen=True, eq=False)
class Grid:
    """The scales that a format can hold, up to a limit a block."""

    nearest: Nearest
    unit: Floats  # [b]: scale_max
    limit: Floats  # [b]: the largest t allowed; limit * unit is a value of the format

    def rows(self, index: Index | slice) -> Grid:
        return Grid(self.nearest, self.unit[index], self.limit[index])

    def snap(self, t: Floats) -> Floats:
        """The nearest allowed t that the format holds; ``t`` > 0 is [b] or [b, n]."""
        shape = (-1,) + (1,) * (t.ndim - 1)
        unit, limit = self.unit.reshape(shape), self.limit.reshape(shape)
        return np.minimum(self._stored(t * unit) / unit, limit)

    def scale(self, t: Floats) -> Floats:
        """The stored scale [b] of each t [b]."""
        return np.minimum(self._stored(t * self.unit), self._stored(self.limit * self.unit))

    def _stored(self, scale: Floats) -> Floats:
        """``nearest``, with the least positive value of the format where that gives 0."""
        rounded = self.nearest(scale)
        while not rounded.all():
            scale = np.where(rounded > 0, scale, np.maximum(2 * scale, np.finfo(np.float64).tiny))
            rounded = self.nearest(scale)
        return rounded

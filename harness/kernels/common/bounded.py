"""Outputs in floating point held to a bound each: which exceed it, and how near the others come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.numerics.parallel import in_parts
from harness.numerics.value_types import finfo

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
F32_ROUNDING = 2.0**-24
"""Largest relative error of one rounding to f32."""


@dataclass(frozen=True)
class Fit:
    """How outputs fit their bounds: how many ``exceed`` them, the ``first`` of those (None: there is none), and
    ``bound_used``, the largest error over its bound where both are finite and the error is not 0."""

    exceed: int
    first: int | None
    bound_used: float


def fit(
    values: NDArray[Any], expected: Float64, bound: Callable[[slice], Float64], *, infinite_stays: bool = False
) -> Fit:
    """Compare ``values`` [N] with ``expected`` [N]; ``bound`` gives the largest error that conforms, of a slice.

    An expected value that is not finite is held to nothing; with ``infinite_stays`` to not being finite either.
    """
    found = in_parts(lambda part: _fit(values, expected, bound, part, infinite_stays), values.size)
    firsts = (each.first for each in found if each.first is not None)
    return Fit(sum(each.exceed for each in found), next(firsts, None), max(each.bound_used for each in found))


def _fit(
    values: NDArray[Any], expected: Float64, bound: Callable[[slice], Float64], part: slice, infinite_stays: bool
) -> Fit:
    got, wanted, allowed = values[part], expected[part], bound(part)
    finite = np.isfinite(wanted)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(np.float64) - wanted)
        wrong = finite & ~(error <= allowed)
    if wrong.any():
        wrong &= ~_overflowed(got, wanted, allowed)
    if infinite_stays and not finite.all():
        wrong |= ~finite & np.isfinite(got)
    exceed = int(np.count_nonzero(wrong))
    return Fit(exceed, part.start + int(wrong.argmax()) if exceed else None, _largest_share(error, allowed))


def _overflowed(values: NDArray[Any], expected: Float64, bound: Float64) -> Bool:
    """Where Inf is right: the result, or what the bound makes of it, is beyond the output's type."""
    largest = float(finfo(values.dtype).max)
    right: Bool = np.isinf(values) & (np.sign(values) == np.sign(expected)) & (np.abs(expected) + bound >= largest)
    return right


def _largest_share(error: Float64, bound: Float64) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(error > 0, error / bound, 0.0)
    return float(np.max(share, initial=0.0, where=np.isfinite(share)))

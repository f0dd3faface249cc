"""Outputs held to bounds: what exceeds them, wherever the array is cut into parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.kernels.common.bounded import fit
from harness.numerics.parallel import PART_ELEMENTS

SIZE = 3 * PART_ELEMENTS
BOUND = 0.5


def _bound(part: slice) -> np.ndarray:
    return np.full(part.stop - part.start, BOUND)


def test_the_largest_share_is_found_in_any_part() -> None:
    values, expected = np.zeros(SIZE, np.float32), np.zeros(SIZE)
    values[-1] = -0.25
    found = fit(values, expected, _bound)
    assert (found.exceed, found.first, found.bound_used) == (0, None, 0.5)


def test_the_first_of_many_is_named() -> None:
    values, expected = np.zeros(SIZE, np.float32), np.zeros(SIZE)
    values[[SIZE - 1, PART_ELEMENTS + 3, PART_ELEMENTS + 9]] = 1
    found = fit(values, expected, _bound)
    assert (found.exceed, found.first, found.bound_used) == (3, PART_ELEMENTS + 3, 2.0)


@pytest.mark.parametrize(
    ("value", "expected", "infinite_stays", "exceed"),
    [
        (math.nan, 1.0, False, 1),
        (math.inf, 1.0, False, 1),
        (math.inf, 65520.0, False, 0),
        (-math.inf, 65520.0, False, 1),
        (1.0, math.inf, False, 0),
        (1.0, math.inf, True, 1),
        (math.nan, math.inf, True, 0),
    ],
)
def test_what_is_not_finite(value: float, expected: float, infinite_stays: bool, exceed: int) -> None:
    found = fit(np.array([value], np.float16), np.array([expected]), _bound, infinite_stays=infinite_stays)
    assert found.exceed == exceed


def test_no_outputs_fit() -> None:
    found = fit(np.empty(0, np.float32), np.empty(0), _bound)
    assert (found.exceed, found.first, found.bound_used) == (0, None, 0.0)

"""Work in parts gives what NumPy gives on the whole, bit for bit."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from harness.numerics.parallel import PART_ELEMENTS, count_where, in_parts, map_threads, pairwise_sum

SIZES = (0, 1, 7, 1000, PART_ELEMENTS, PART_ELEMENTS + 1, 3 * PART_ELEMENTS - 5, 2_000_003)


@pytest.mark.parametrize("size", SIZES)
def test_the_pairwise_sum_is_numpys_own(size: int) -> None:
    values = np.random.default_rng(size).lognormal(0, 3, size)
    assert pairwise_sum(lambda part: float(values[part].sum()), size) == float(values.sum())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("most", [1, 1000, PART_ELEMENTS])
def test_parts_cover_everything_in_order(size: int, most: int) -> None:
    parts = in_parts(lambda part: part, min(size, 300 * most), most)
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, min(size, 300 * most))
    assert max(part.stop - part.start for part in parts) <= max(most, 16)


def test_elements_are_counted() -> None:
    values = np.zeros((3, PART_ELEMENTS), np.float32)
    values[[0, 2], [5, 7]] = np.nan
    assert count_where(np.isnan, values) == 2


def test_an_error_in_a_part_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        map_threads(lambda part: 1 // part, [3, 2, 1, 0])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_threads_use_all_cores_whatever_core_their_maker_keeps_to() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        seen = map_threads(lambda _: (threading.get_ident(), os.sched_getaffinity(0)), range(64))
    finally:
        os.sched_setaffinity(0, allowed)
    assert threading.get_ident() not in dict(seen)
    assert all(cores == allowed for _, cores in seen)

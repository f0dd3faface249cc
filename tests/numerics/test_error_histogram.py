"""Error histograms: where errors fall, what is left out, and how many are counted."""

from __future__ import annotations

import numpy as np
import pytest

from harness.numerics import error_histogram as module
from harness.numerics.error_histogram import BINS, error_histogram, histogram_text
from harness.numerics.metrics import Comparison

MIDDLE = BINS // 2


def test_bins_are_quarters_of_the_root_mean_square():
    errors = np.array([1.0, -1.0, 1.0, -1.0])  # root mean square 1: four bins from the middle
    counts = error_histogram(Comparison(np.zeros(4), errors))
    assert counts is not None
    assert {place: int(count) for place, count in enumerate(counts) if count} == {MIDDLE - 4: 2, MIDDLE + 4: 2}


def test_rounding_is_flat_and_ends_where_it_must():
    x = np.random.default_rng(0).uniform(-100, 100, 100_000)
    counts = error_histogram(Comparison(x, np.rint(x)))
    assert counts is not None
    assert counts.sum() == x.size
    inside = counts[MIDDLE - 6 : MIDDLE + 7]  # ±½ is ±√3 root mean squares, 6.9 bins
    assert inside.min() > 0.95 * inside.mean()
    assert counts[: MIDDLE - 7].sum() == counts[MIDDLE + 8 :].sum() == 0


def test_what_lies_far_out_is_counted_at_the_ends():
    errors = np.zeros(10_000)
    errors[0], errors[1] = 1.0, -1.0
    counts = error_histogram(Comparison(np.zeros(10_000), errors))
    assert counts is not None
    assert (counts[0], counts[MIDDLE], counts[-1]) == (1, 9998, 1)


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, 2.0]])
def test_nothing_to_count_is_none(values):
    exact = np.array(values)
    assert error_histogram(Comparison(exact, exact)) is None
    assert histogram_text(None) is None


def test_what_is_not_finite_is_left_out():
    counts = error_histogram(Comparison(np.array([0.0, np.nan, 0.0, np.inf]), np.array([1.0, 1.0, -1.0, 0.0])))
    assert counts is not None
    assert counts.sum() == 2


def test_of_many_errors_some_of_every_column_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MOST", 64)
    errors = np.broadcast_to(np.arange(16.0) - 7.5, (32, 16))  # each column its own error
    counts = error_histogram(Comparison(np.zeros((32, 16)), errors))
    assert counts is not None
    assert counts.sum() == -(-512 // 9)
    assert np.count_nonzero(counts) > 8


def test_the_text_is_counts():
    assert histogram_text(np.array([0, 3, 12])) == "0 3 12"

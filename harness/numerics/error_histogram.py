"""How errors are distributed: counts in bins of a quarter of their root mean square, so that every case fits the same bins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.numerics.metrics import Comparison, evaluate

COLUMN = "error_histogram"
BINS = 41
WIDTH = 0.25
"""Of a bin, in root mean squares: bin 20 lies around no error, bins 0 and 40 hold all that is beyond ±4.875."""
MOST = 1 << 20
"""Errors that are counted; of more, every n-th, n odd: a power of two would choose the same columns of every row."""


def error_histogram(comparison: Comparison) -> NDArray[np.int64] | None:
    """Counts of approximate − exact [BINS]; None where nothing is finite or every result is exact."""
    if not comparison.count or comparison.noise_power == 0:
        return None
    scale = WIDTH * math.sqrt(comparison.noise_power / comparison.count)
    if not 0 < scale < math.inf:
        return None  # errors beyond what float64 can square
    step = -(-comparison.exact.size // MOST) | 1 if comparison.exact.size > MOST else 1
    exact, approximate = (each.reshape(-1)[::step] for each in (comparison.exact, comparison.approximate))
    if comparison.valid is not None:
        keep = comparison.valid.reshape(-1)[::step]
        exact, approximate = exact[keep], approximate[keep]
    errors = np.subtract(approximate, exact, dtype=np.float64) / scale
    bins = np.clip(np.rint(errors), -(BINS // 2), BINS // 2).astype(np.int64) + BINS // 2
    return np.bincount(bins, minlength=BINS)


def described(comparison: Comparison) -> dict[str, float | str | None]:
    """Every metric of METRICS and the histogram, by the names of their columns."""
    return {**evaluate(comparison), COLUMN: histogram_text(error_histogram(comparison))}


def histogram_text(counts: NDArray[np.int64] | None) -> str | None:
    """As the results have it: counts with spaces between them."""
    return None if counts is None else " ".join(map(str, counts.tolist()))

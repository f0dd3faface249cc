"""The level that a new run is held against: the last one that is no unaccepted slowdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history.changes import Change
from harness.history.series import Series
from harness.verdict import MIN_EFFECT

LOOKBACK = 30
"""Runs of a level that count, the last ones."""
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, eq=False)
class Level:
    """``times`` [runs]: seconds of the ``runs`` that make the level. ``since``: its first run; ``slower_since``: the first run
    of a slowdown after it that nobody accepted, None where there is none."""

    times: NDArray[np.float64]
    runs: tuple[str, ...]
    since: str
    slower_since: str | None

    @property
    def median_s(self) -> float:
        return float(np.median(self.times))

    @property
    def mad(self) -> float:
        """Median absolute deviation of the logarithms: a share of the median."""
        logs = np.log(self.times)
        return float(np.median(np.abs(logs - np.median(logs))))

    @property
    def sigma(self) -> float:
        """Standard deviation as the MAD tells it, a share; n/(n − 0.8) for small samples (Croux and Rousseeuw, 1992)."""
        return _MAD_TO_SIGMA * self.mad * len(self.times) / (len(self.times) - 0.8)


def level_of(series: Series, changes: Sequence[Change], accepted: str | None, floor: float) -> Level | None:
    """The reference of a series, None where it has no timed run (since ``accepted``, the run from which on an accepted
    change counts).

    A faster level replaces the reference, one that is the same within the band adds to it, and a slower one does not:
    a slowdown stays one however long it lasts, until it is accepted.
    """
    band = max(MIN_EFFECT, floor)
    first = next((i for i, point in enumerate(series.points) if accepted is None or point.run_id >= accepted), None)
    if first is None:
        return None
    times = series.times
    inner = [change.index for change in changes if change.index > first]
    reference: list[int] = []
    slower_since: str | None = None
    for start, stop in zip([first, *inner], [*inner, len(times)], strict=True):
        own = list(range(start, stop))
        ratio = float(np.median(times[own]) / np.median(times[reference])) if reference else 0.0
        if ratio < 1 - band:
            reference, slower_since = own, None
        elif ratio <= 1 + band:
            reference, slower_since = reference + own, None
        else:
            slower_since = slower_since or series.points[start].run_id
    counted = reference[-LOOKBACK:]
    runs = tuple(series.points[index].run_id for index in counted)
    return Level(times[counted], runs, series.points[reference[0]].run_id, slower_since)

"""Where the level of a series moved: E-divisive on ranks, then a merge of what does not hold up. No random numbers.

Source: D. S. Matteson and N. A. James, A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data,
JASA 109 (505), 2014 (the energy statistic and its hierarchical use); D. Daly et al., The Use of Change Point Detection to
Identify Software Performance Regressions in a Continuous Integration System, ICPE 2020; M. Fleming et al., Hunter: Using
Change Point Detection to Hunt for Performance Regressions, ICPE 2023 (a deterministic test in place of permutations, and
merging after splitting, since a short dip hides from a search that only splits).

Ranks in place of values: they carry no outlier further than its neighbour, and a case's noise needs no scale. Mann and
Whitney's test in place of Student's, because times are neither normal nor free of outliers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.verdict import rank_test

FEWEST = 4
"""Runs on each side of a change. A night alone is no level: it is for ``harness check`` to say what it thinks of it."""
LEVEL = 0.05
"""Of the rank test of one border, multiplied by the places where it could lie (Bonferroni)."""
LONGEST = 1000
"""Runs of a series that are looked at, the last ones; distances of all pairs are 8 MB then."""


def divide(times: NDArray[np.float64], band: float) -> list[int]:
    """Indices [0 < i < runs] at which a new level begins, ascending. ``times`` [runs] are seconds, in order; levels differ
    by more than ``band`` (0.02 is 2 %)."""
    skipped = max(0, len(times) - LONGEST)
    recent = times[skipped:]
    found = _split(recent)
    for _ in range(2):  # a border in its place may show that its neighbour was none
        found = _placed(recent, _merged(recent, found, np.log1p(band)))
    return [skipped + index for index in found]


def looks(before: int, after: int) -> int:
    """At how many places a border between so many runs could lie."""
    return max(1, before + after - 2 * FEWEST + 1)


def energy_place(values: NDArray[np.float64]) -> int | None:
    """Index at which the two sides of ``values`` [n] differ the most in distribution; None where n < 2·FEWEST.

    The energy statistic n·m/(n+m)·(2·E|X−Y| − E|X−X'| − E|Y−Y'|) over ranks, its sums taken from one table of cumulated
    distances: O(n²).
    """
    from scipy.stats import rankdata

    count = len(values)
    if count < 2 * FEWEST:
        return None
    ranks = rankdata(values)
    table = np.abs(ranks[:, None] - ranks[None, :]).cumsum(axis=0).cumsum(axis=1)
    n = np.arange(FEWEST, count - FEWEST + 1)
    m = count - n
    within_a = table[n - 1, n - 1]
    across = table[n - 1, -1] - within_a
    within_b = table[-1, -1] - within_a - 2 * across
    energy = 2 * across / (n * m) - within_a / (n * (n - 1)) - within_b / (m * (m - 1))
    return int(n[np.argmax(energy * n * m / count)])


def _split(times: NDArray[np.float64]) -> list[int]:
    """Borders down to the shortest segments: what does not hold up goes afterwards."""
    borders: list[int] = []
    left = [(0, len(times))]
    while left:
        start, stop = left.pop()
        place = energy_place(times[start:stop])
        if place is not None:
            borders.append(start + place)
            left += [(start, start + place), (start + place, stop)]
    return sorted(borders)


def _merged(times: NDArray[np.float64], borders: list[int], band: float) -> list[int]:
    """Without the borders that are none: the weakest goes first and what is left is looked at again, so that a level is
    tested with all its runs. Those within the band go before those that chance explains."""
    logs = np.log(times)

    @cache
    def step(start: int, border: int, stop: int) -> float:
        return float(abs(np.median(logs[border:stop]) - np.median(logs[start:border])))

    @cache
    def chance(start: int, border: int, stop: int) -> float:
        p = rank_test(logs[None, start:border], logs[None, border:stop])[0]
        return float(min(1.0, p * looks(border - start, stop - border)))

    borders = list(borders)
    while borders:
        triples = list(zip([0, *borders], borders, [*borders[1:], len(times)], strict=False))
        steps = [step(*triple) for triple in triples]
        weakest = int(np.argmin(steps))
        if steps[weakest] > band:
            chances = [chance(*triple) for triple in triples]
            weakest = max(range(len(triples)), key=lambda index: (chances[index], -steps[index]))
            if chances[weakest] <= LEVEL:
                break
        del borders[weakest]
    return borders


def _placed(times: NDArray[np.float64], borders: list[int]) -> list[int]:
    """Each border where its levels fit best, within FEWEST runs of where it was found: ranks know which side of a step a run
    lies on, but not by how much, and lean towards sides of equal length. The fit is by absolute deviations from medians,
    which an outlier does not turn."""
    logs = np.log(times)

    def misfit(start: int, border: int, stop: int) -> float:
        parts = (logs[start:border], logs[border:stop])
        return float(sum(np.abs(part - np.median(part)).sum() for part in parts))

    placed = list(borders)
    for index, border in enumerate(borders):
        start = placed[index - 1] if index else 0
        stop = borders[index + 1] if index + 1 < len(borders) else len(times)
        places = range(max(start + FEWEST, border - FEWEST), min(stop - FEWEST, border + FEWEST) + 1)
        placed[index] = min(places, key=lambda place: (misfit(start, place, stop), abs(place - border)), default=border)
    return placed

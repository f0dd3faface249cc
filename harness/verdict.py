"""Two sets of rounds → slower, faster, same or unsure: the statistics of an A/B comparison.

A side is the medians of its rounds: samples within a round are alike, rounds are not. A case is called slower or faster
only where two findings agree: a rank test, corrected over all cases that are compared at once, and an interval of the
ratio of medians that lies outside a band in which differences do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

MIN_ROUNDS = 10
"""A side. Of two sides of 9 rounds the rank test's smallest p is 4·10⁻⁵: too large for one case among 2000."""
MIN_EFFECT = 0.02
"""Differences below 2 % are none, whatever the statistics say of them."""
FALSE_DISCOVERY_RATE = 0.05
_CONFIDENCE = 0.95
_RESAMPLES = 2000
_EXACT_ROUNDS = 40  # from there on the normal approximation reaches any p that matters,
_FEW = 10  # unless one side has so few: then its tails are too light for a test at many places or of many cases
_CHUNK = 1000  # pairs at once: 16 MB an array


class Change(StrEnum):
    """What side B is, held against side A."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNSURE = "unsure"


@dataclass(frozen=True, eq=False)
class CasePair:
    """One case on two sides: ``a`` and ``b`` are medians of rounds, seconds, one-dimensional. ``looks``: at how many places
    the border between the sides was looked for (1: it was given); p is multiplied by that (Bonferroni)."""

    case_id: str
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    looks: int = 1


@dataclass(frozen=True)
class CaseVerdict:
    """One case compared. ``ratio`` is the median of B over that of A, between ``low`` and ``high`` with 95 % confidence;
    ``p`` is the rank test's, ``q`` the same after Benjamini-Hochberg; ``floor`` the noise floor that was given. The
    figures are None, and ``reason`` says why, where the rounds allow no comparison."""

    case_id: str
    verdict: Change
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    q: float | None
    floor: float
    reason: str | None = None

    @property
    def band(self) -> float:
        """Differences up to this are none."""
        return max(MIN_EFFECT, self.floor)


def compare_cases(
    pairs: Sequence[CasePair], floors: Mapping[str, float], *, fewest: int = MIN_ROUNDS
) -> tuple[CaseVerdict, ...]:
    """Compare all cases of a set, one verdict a pair, in order. Sides of less than ``fewest`` rounds are unsure.

    ``floors``: case_id → the case's noise floor as found by A/A (0.03 is 3 %); cases that are not there have floor 0.
    The band of a case is ±max(2 %, floor). ``slower`` and ``faster``: the test rejects at a false discovery rate of 5 %
    over the set, and the interval lies outside the band. ``same``: the interval lies inside the band. ``unsure``: anything
    else (a difference that is not proved is not proved to be none), and fewer than 10 rounds a side.

    Mann-Whitney's test, because its distribution is exact at 10 rounds a side; Brunner-Munzel's, which allows for unequal
    spreads, rests on an approximation that claims too much at that size (and p = 0 where the sides do not overlap).
    Benjamini and Hochberg, J. R. Statist. Soc. B 57, 1995; Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    from scipy.stats import false_discovery_control

    reasons = [_problem(pair, fewest) for pair in pairs]
    figures = _figures([pair for pair, reason in zip(pairs, reasons, strict=True) if reason is None])
    q = false_discovery_control(figures[0]) if figures.size else figures[0]
    found = iter(zip(*figures.tolist(), q.tolist(), strict=True))
    verdicts: list[CaseVerdict] = []
    for pair, reason in zip(pairs, reasons, strict=True):
        floor = floors.get(pair.case_id, 0.0)
        if reason is None:
            verdicts.append(judged(pair.case_id, floor, *next(found)))
        else:
            verdicts.append(CaseVerdict(pair.case_id, Change.UNSURE, None, None, None, None, None, floor, reason))
    return tuple(verdicts)


def _problem(pair: CasePair, fewest: int) -> str | None:
    """Why the rounds allow no comparison, or None."""
    got = min(len(pair.a), len(pair.b))
    if got < fewest:
        return f"needs {fewest} rounds a side (got {got})"
    rounds = np.concatenate([pair.a, pair.b])
    return None if bool(np.all(np.isfinite(rounds) & (rounds > 0))) else "holds rounds that took no time"


def judged(case_id: str, floor: float, p: float, ratio: float, low: float, high: float, q: float) -> CaseVerdict:
    """The verdict on a case whose figures are known: q at a false discovery rate of 5 %, the interval against the band."""
    band = max(MIN_EFFECT, floor)
    differs = q <= FALSE_DISCOVERY_RATE
    if low >= 1 - band and high <= 1 + band:
        change = Change.SAME
    elif differs and low > 1 + band:
        change = Change.SLOWER
    else:
        change = Change.FASTER if differs and high < 1 - band else Change.UNSURE
    return CaseVerdict(case_id, change, ratio, low, high, p, q, floor)


def _figures(pairs: Sequence[CasePair]) -> NDArray[np.float64]:
    """p, ratio, low and high [4, pairs]."""
    figures = np.empty((4, len(pairs)))
    for chosen in _alike(pairs):
        a, b = (np.stack(side) for side in ([pairs[i].a for i in chosen], [pairs[i].b for i in chosen]))
        looks = np.array([pairs[i].looks for i in chosen])
        figures[:, chosen] = np.minimum(rank_test(a, b) * looks, 1.0), *_ratio(a, b)
    return figures


def _alike(pairs: Sequence[CasePair]) -> Iterator[list[int]]:
    """Indices of pairs with as many rounds, some at a time, so that they can be computed together."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for index, pair in enumerate(pairs):
        sizes.setdefault((len(pair.a), len(pair.b)), []).append(index)
    for indices in sizes.values():
        yield from (indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK))


def rank_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p of each row of ``a`` against that of ``b``, by Mann and Whitney. Ties, which coarse timers make, leave the exact test within its level (simulated: steps of
    half to four standard deviations)."""
    from scipy.stats import mannwhitneyu

    sizes = (a.shape[1], b.shape[1])
    exact = max(sizes) <= _EXACT_ROUNDS or min(sizes) <= _FEW
    return np.asarray(mannwhitneyu(a, b, axis=1, method="exact" if exact else "asymptotic").pvalue)


def _ratio(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of medians B/A of each row, and its percentile bootstrap interval. The same rounds give the same interval."""
    rng = np.random.default_rng(0)
    ratios = _resampled_medians(b, rng) / _resampled_medians(a, rng)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(ratios, (tail, 1 - tail), axis=1)
    return np.median(b, axis=1) / np.median(a, axis=1), low, high


def _resampled_medians(rounds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of resamples [pairs, resamples]. With rounds in order, the median of a resample is the round whose index is
    the median of the chosen indices: all rows share the choice, and nothing has to be sorted again."""
    ordered, count = np.sort(rounds, axis=1), rounds.shape[1]
    chosen = np.sort(rng.integers(0, count, (_RESAMPLES, count)), axis=1)
    return (ordered[:, chosen[:, (count - 1) // 2]] + ordered[:, chosen[:, count // 2]]) / 2

"""What a self-check found: verdicts that were false, and each case's noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.case import Case
from harness.device import Device
from harness.verdict import CasePair, CaseVerdict, Change, compare_cases

_FLOOR_QUANTILE = 0.99
_QUANTILE_REPEATS = 100
_FALSE = (Change.SLOWER, Change.FASTER)


class FloorKind(StrEnum):
    """Which figure of |ratio − 1| over a case's repeats its floor is."""

    P99 = "p99"
    MAX = "max"


@dataclass(frozen=True, eq=False)
class Measured:
    """The pairs of one case; ``error`` says why there are no more, where it failed."""

    case: Case
    pairs: tuple[CasePair, ...]
    error: str | None = None


@dataclass(frozen=True)
class CaseCheck:
    """One case: its pairs, how many got a false verdict, and how many none. ``floor`` is the 99th percentile of
    |ratio − 1| over the pairs (the largest where there are fewer than 100), ``time_s`` the median of all rounds; None
    where no pair was finished."""

    case_id: str
    case: str
    pairs: int
    false_verdicts: int
    unsure: int
    floor: float | None
    floor_kind: FloorKind | None
    time_s: float | None
    error: str | None


@dataclass(frozen=True)
class SelfcheckResult:
    """Each repeat over the cases is a comparison of its own, as that of one suite is, and corrected by itself; ``pooled``
    counts the false verdicts where all pairs are corrected as one set, which hides more. ``complete``: nothing was
    interrupted."""

    device: Device
    checks: tuple[CaseCheck, ...]
    pooled: int
    complete: bool

    @property
    def pairs(self) -> int:
        return sum(each.pairs for each in self.checks)

    @property
    def false_verdicts(self) -> int:
        return sum(each.false_verdicts for each in self.checks)

    @property
    def unsure(self) -> int:
        return sum(each.unsure for each in self.checks)

    @property
    def rate(self) -> float:
        """Share of pairs with a false verdict."""
        return self.false_verdicts / self.pairs

    @property
    def rate_bound(self) -> float:
        """What the rate is at most, with 95 % confidence (Clopper and Pearson, Biometrika 26, 1934; one-sided)."""
        from scipy.stats import beta

        if self.false_verdicts == self.pairs:
            return 1.0
        return float(beta.ppf(0.95, self.false_verdicts + 1, self.pairs - self.false_verdicts))


def result_of(device: Device, measured: Sequence[Measured], *, complete: bool) -> SelfcheckResult:
    """Compare repeat by repeat, no floor being known yet, and sum up."""
    verdicts: list[list[CaseVerdict]] = [[] for _ in measured]
    for index in range(max((len(each.pairs) for each in measured), default=0)):
        chosen = [number for number, each in enumerate(measured) if index < len(each.pairs)]
        found = compare_cases([measured[number].pairs[index] for number in chosen], {})
        for number, verdict in zip(chosen, found, strict=True):
            verdicts[number].append(verdict)
    checks = tuple(_check(each, own) for each, own in zip(measured, verdicts, strict=True))
    pooled = compare_cases([pair for each in measured for pair in each.pairs], {})
    return SelfcheckResult(device, checks, sum(each.verdict in _FALSE for each in pooled), complete)


def _check(measured: Measured, verdicts: Sequence[CaseVerdict]) -> CaseCheck:
    floor, kind = noise_floor([each.ratio for each in verdicts if each.ratio is not None])
    rounds = [side for pair in measured.pairs for side in (pair.a, pair.b)]
    return CaseCheck(
        measured.case.case_id,
        measured.case.name,
        len(verdicts),
        sum(each.verdict in _FALSE for each in verdicts),
        sum(each.verdict is Change.UNSURE for each in verdicts),
        floor,
        kind,
        float(np.median(np.concatenate(rounds))) if rounds else None,
        measured.error,
    )


def noise_floor(ratios: Sequence[float]) -> tuple[float | None, FloorKind | None]:
    """How far A/A ratios get from 1, and which figure that is."""
    if not ratios:
        return None, None
    distances = np.abs(np.array(ratios) - 1)
    if len(distances) < _QUANTILE_REPEATS:
        return float(distances.max()), FloorKind.MAX
    return float(np.quantile(distances, _FLOOR_QUANTILE)), FloorKind.P99

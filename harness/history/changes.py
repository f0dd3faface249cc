"""Change points of many series, judged as one set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.history.divide import FEWEST, divide, looks
from harness.history.series import Cause, Series
from harness.verdict import MIN_EFFECT, CasePair, CaseVerdict, compare_cases
from harness.verdict import Change as Verdict


@dataclass(frozen=True)
class Change:
    """A new level from the run ``run_id`` (at ``index``) on; ``previous_run_id`` is the last run of the old one.
    ``verdict`` has the ratio of medians, new over old, and q over all changes of all cases. ``causes``: what else changed
    between these two runs."""

    index: int
    run_id: str
    previous_run_id: str
    verdict: CaseVerdict
    causes: tuple[Cause, ...]

    @property
    def ratio(self) -> float:
        assert self.verdict.ratio is not None
        return self.verdict.ratio

    @property
    def is_slower(self) -> bool:
        return self.verdict.verdict is Verdict.SLOWER


def find_changes(series: Sequence[Series], floors: Mapping[str, float]) -> list[tuple[Change, ...]]:
    """The changes of each series, oldest first.

    Places come from ``divide``; each is then judged as ``harness compare`` judges two sides, its sides being the runs of
    the levels around it: rank test (times the places where it could lie) at a false discovery rate of 5 % over all places
    of all series, and an interval of the ratio outside ±max(2 %, noise floor).
    """
    borders = [divide(each.times, max(MIN_EFFECT, floors.get(each.case_id, 0.0))) for each in series]
    pairs = [_pair(each, *triple) for each, own in zip(series, borders, strict=True) for triple in _triples(each, own)]
    verdicts = iter(compare_cases(pairs, floors, fewest=FEWEST))
    return [
        tuple(
            Change(index, each.points[index].run_id, each.points[index - 1].run_id, verdict, each.causes(index))
            for index, verdict in [(index, next(verdicts)) for index in own]
            if verdict.verdict in (Verdict.SLOWER, Verdict.FASTER)
        )
        for each, own in zip(series, borders, strict=True)
    ]


def _triples(series: Series, borders: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip([0, *borders], borders, [*borders[1:], len(series.points)], strict=False))


def _pair(series: Series, start: int, border: int, stop: int) -> CasePair:
    times = series.times
    return CasePair(series.case_id, times[start:border], times[border:stop], looks(border - start, stop - border))

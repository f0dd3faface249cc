"""A history as people read it: each case's level, its last run, and its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.sides import Side
from harness.history.annotations import Annotation, accepted_since, annotations_of
from harness.history.changes import Change, find_changes
from harness.history.levels import Level, level_of
from harness.history.series import Series, read_series


@dataclass(frozen=True, eq=False)
class CaseHistory:
    """One case on one machine. ``level`` None: never timed, or not since its last accepted change."""

    series: Series
    changes: tuple[Change, ...]
    level: Level | None
    annotations: tuple[Annotation, ...]
    floor: float

    @property
    def last_ratio(self) -> float | None:
        """The newest run's time over the level's median."""
        if self.level is None:
            return None
        return self.series.points[-1].time_s / self.level.median_s

    @property
    def is_regressed(self) -> bool:
        return self.level is not None and self.level.slower_since is not None


@dataclass(frozen=True, eq=False)
class History:
    """``cases``: what regressed first, then what else changed (the newest change first), then the rest."""

    label: str
    runs: tuple[str, ...]
    cases: tuple[CaseHistory, ...]

    @property
    def regressed(self) -> int:
        return sum(case.is_regressed for case in self.cases)

    @property
    def changed(self) -> int:
        return sum(bool(case.changes) for case in self.cases)


def build_history(side: Side, floors: Mapping[str, float], annotations: Sequence[Annotation] = ()) -> History:
    """Series, changes and levels of all records of ``side``."""
    series = read_series(side)
    cases = [
        _case(each, changes, annotations_of(each.case, annotations), floors.get(each.case_id, 0.0))
        for each, changes in zip(series, find_changes(series, floors), strict=True)
    ]
    cases.sort(key=lambda case: case.changes[-1].run_id if case.changes else "", reverse=True)
    cases.sort(key=lambda case: -(case.last_ratio or 1.0) if case.is_regressed else 0.0)
    cases.sort(key=lambda case: not case.is_regressed)
    return History(side.label, tuple(sorted(side.run_ids)), tuple(cases))


def _case(
    series: Series, changes: tuple[Change, ...], annotations: tuple[Annotation, ...], floor: float
) -> CaseHistory:
    level = level_of(series, changes, accepted_since(series.case, annotations), floor)
    return CaseHistory(series, changes, level, annotations, floor)

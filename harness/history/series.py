"""Records of many runs → a series a case and machine, in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.columns import Row
from harness.compare.machine import NOTED, identity
from harness.compare.sides import Side

WATCHED = (*NOTED, "kernel_digest", "configuration")
"""Columns that explain a change of level where they change with it: driver, libraries, power limit, commit, source, tiles."""

ACCURACY = "sqnr_db"


@dataclass(frozen=True)
class Point:
    """A run's record of the case: seconds with the interval of their median (None where it is not known), and what was
    true around it, in the order of ``WATCHED``."""

    run_id: str
    time_s: float
    low_s: float | None
    high_s: float | None
    sqnr_db: float | None
    environment: tuple[str | None, ...]


@dataclass(frozen=True)
class Cause:
    """A column of ``WATCHED`` that changed together with a level."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, eq=False)
class Series:
    """A case on a machine (``machine``: words for people), oldest run first. ``failed``: runs without a time, and how
    they ended."""

    case_id: str
    case: str
    suite: str
    op: str
    kernel: str
    machine: str
    points: tuple[Point, ...]
    failed: tuple[tuple[str, str], ...]

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds [runs]."""
        return np.array([point.time_s for point in self.points], np.float64)

    def causes(self, first: int) -> tuple[Cause, ...]:
        """What differs between the run at index ``first`` and the one before it."""
        before, after = self.points[first - 1].environment, self.points[first].environment
        rows = zip(WATCHED, before, after, strict=True)
        return tuple(Cause(name, a, b) for name, a, b in rows if a is not None and b is not None and a != b)


def series_of(rows: Sequence[Row]) -> Series:
    """The series of records of one case on one machine, in any order."""
    ordered = sorted(rows, key=lambda row: str(row["run_id"]))
    last = ordered[-1]
    own = {name: last[name] for name in ("case_id", "case", "suite", "op", "kernel")}
    failed = tuple((row["run_id"], row["status"]) for row in ordered if row["status"] not in ("ok", "skipped"))
    return Series(**own, machine=machine_words(last), points=tuple(map(_point, filter(_timed, ordered))), failed=failed)


def read_series(side: Side) -> tuple[Series, ...]:
    """Every case of ``side`` on every machine, in the order in which the cases were first met."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for case_id, rows in side.records.items():
        for row in rows:
            found.setdefault((case_id, *identity(row)), []).append(row)
    return tuple(map(series_of, found.values()))


def machine_words(row: Row) -> str:
    """The model that ran the case."""
    return str((row["gpu"] if row["backend"] == "cuda" else row["cpu"]) or row["device"] or "unknown")


def _timed(row: Row) -> bool:
    return row["status"] == "ok" and row["time_s"] is not None and row["time_s"] > 0


def _point(row: Row) -> Point:
    environment = tuple(None if row[name] is None else str(row[name]) for name in WATCHED)
    return Point(row["run_id"], row["time_s"], row["time_low_s"], row["time_high_s"], row[ACCURACY], environment)

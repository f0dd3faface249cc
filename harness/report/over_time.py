"""What the pages History and Compare show, and what the overview says of them: the same levels, changes and verdicts as
``harness history`` and ``harness compare``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.columns import Row
from harness.compare.compare import compare_sides
from harness.compare.machine import identity
from harness.compare.sides import Side
from harness.errors import HarnessError
from harness.history.annotations import Annotation
from harness.history.export import case_json
from harness.history.model import History, build_history
from harness.history.series import Cause
from harness.record import COLUMNS
from harness.verdict import CasePair, CaseVerdict, compare_cases

REGRESSIONS = 10
_DIGITS = 5
_BACKENDS = ("cuda", "cpu")


@dataclass(frozen=True)
class Regression:
    """A line of the overview: a case that is slower now than a level before."""

    case_id: str
    case: str
    machine: str
    ratio: str
    since: str
    causes: str


def side_of(records: pd.DataFrame) -> Side:
    """Records (as the results have them) as a side; those that name no case, run or backend are left out."""
    found: dict[str, list[Row]] = {}
    names = [str(name) for name in records.columns]
    for values in zip(*(_plain(records[name]) for name in names), strict=True):
        row: Row = {**dict.fromkeys(COLUMNS), **dict(zip(names, values, strict=True))}
        if row["case_id"] and row["run_id"] and row["backend"] in _BACKENDS:
            found.setdefault(str(row["case_id"]), []).append(row)
    newest_first = {
        case_id: tuple(sorted(rows, key=lambda row: str(row["run_id"]), reverse=True))
        for case_id, rows in found.items()
    }
    return Side("results", newest_first, {})


def _plain(values: pd.Series) -> list[Any]:
    missing = values.isna().to_numpy()
    return [None if absent else value for value, absent in zip(values.tolist(), missing, strict=True)]


def history_of(side: Side, annotations: Sequence[Annotation]) -> History:
    """The cases that several runs have on one machine."""
    several = {case_id: own for case_id, rows in side.records.items() if (own := _repeated(rows))}
    return build_history(Side(side.label, several, {}), {}, annotations)


def _repeated(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The records of machines that ran the case more than once."""
    counts = Counter(identity(row) for row in rows)
    return tuple(row for row in rows if counts[identity(row)] > 1)


def history_data(history: History) -> dict[str, Any]:
    """Every case with its points; runs by number, times in seconds to five digits. ``events``: [run, number of a text in
    ``texts``] where the environment of a case changed."""
    number = {run_id: index for index, run_id in enumerate(history.runs)}
    texts: dict[str, int] = {}
    cases = []
    for case in history.cases:
        made = case_json(case)
        points = case.series.points
        made["run"] = [number[run_id] for run_id in made.pop("run_id")]
        made["time_s"] = [_rounded(each) for each in made["time_s"]]
        made["low_s"] = [_rounded(point.low_s) for point in points]
        made["high_s"] = [_rounded(point.high_s) for point in points]
        made["sqnr_db"] = [_rounded(point.sqnr_db) for point in points]
        made["events"] = [
            [number[points[index].run_id], texts.setdefault(words, len(texts))]
            for index in range(1, len(points))
            if (words := _words(case.series.causes(index)))
        ]
        made["failed"] = [[number[run_id], status] for run_id, status in case.series.failed]
        cases.append(made)
    return {"runs": list(history.runs), "texts": list(texts), "cases": cases}


def _words(causes: Sequence[Cause]) -> str:
    return ", ".join(f"{each.name} {each.before} → {each.after}" for each in causes)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def regressions(history: History) -> tuple[tuple[Regression, ...], int]:
    """The worst ones, and how many more there are."""
    found = [case for case in history.cases if case.is_regressed and case.level is not None]
    rows = []
    for case in found[:REGRESSIONS]:
        assert case.level is not None
        since = case.level.slower_since or ""
        change = next((each for each in case.changes if each.run_id == since), None)
        causes = _words(change.causes[:2]) if change else ""
        ratio = f"{case.last_ratio:.3f}×"
        rows.append(Regression(case.series.case_id, case.series.case, case.series.machine, ratio, since, causes))
    return tuple(rows), len(found) - len(rows)


def compare_data(side: Side, samples: pd.DataFrame | None) -> dict[str, Any]:
    """``verdicts``: "A B" (run ids) → case id → verdict, lower and upper end of the ratio's interval, q and band; ``notes``:
    "A B" → sentences. Pairs are each suite's newest run on each machine with the one before it; others can be looked at
    without verdicts."""
    rounds = _rounds(samples)
    verdicts: dict[str, dict[str, list[Any]]] = {}
    notes: dict[str, list[str]] = {}
    for before, after in _pairs(side):
        a, b = (_only(side, run_id) for run_id in (before, after))

        def judge(a: Side, b: Side, pairs: Sequence[tuple[Row, Row]]) -> list[CaseVerdict]:
            empty = np.empty(0)
            cases = [
                CasePair(
                    two["case_id"],
                    rounds.get((one["run_id"], one["case_id"]), empty),
                    rounds.get((two["run_id"], two["case_id"]), empty),
                )
                for one, two in pairs
            ]
            return list(compare_cases(cases, {}))

        try:
            found = compare_sides(a, b, {}, judge=judge)
        except HarnessError:
            continue  # the two runs share no case
        own = {}
        for case in found.cases:
            if (speed := case.speed) is not None:
                ends = [_rounded(value) for value in (speed.low, speed.high, speed.q, speed.band)]
                own[case.case_id] = [str(speed.verdict), *ends, str(case.accuracy)]
        verdicts[f"{before} {after}"] = own
        notes[f"{before} {after}"] = list(found.notes)
    return {"verdicts": verdicts, "notes": notes}


def _pairs(side: Side) -> list[tuple[str, str]]:
    """The two newest runs of each suite and machine."""
    runs: dict[tuple[object, ...], set[str]] = {}
    for rows in side.records.values():
        for row in rows:
            runs.setdefault((row["suite"], *identity(row)), set()).add(row["run_id"])
    newest = {tuple(sorted(own)[-2:]) for own in runs.values() if len(own) > 1}
    return sorted((before, after) for before, after in newest)


def _only(side: Side, run_id: str) -> Side:
    kept = {
        case_id: own
        for case_id, rows in side.records.items()
        if (own := tuple(r for r in rows if r["run_id"] == run_id))
    }
    return Side(run_id, kept, {run_id: Path(run_id)})


def _rounds(samples: pd.DataFrame | None) -> dict[tuple[str, str], np.ndarray]:
    """Medians of rounds by run and case."""
    if samples is None or samples.empty:
        return {}
    medians = samples.groupby(["run_id", "case_id", "round"], sort=True)["time_s"].median().reset_index()
    found: dict[tuple[str, str], list[float]] = {}
    for run_id, case_id, time_s in zip(medians["run_id"], medians["case_id"], medians["time_s"], strict=True):
        found.setdefault((str(run_id), str(case_id)), []).append(float(time_s))
    return {key: np.array(own) for key, own in found.items()}

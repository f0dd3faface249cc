"""A history as JSON and as Markdown, and the words of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.compare.export import markdown_table
from harness.history.changes import Change
from harness.history.model import CaseHistory, History

ABSENT = "–"
COLUMNS = ("case", "runs", "level", "MAD", "last / level", "last change", "by", "with")


def headline(history: History) -> str:
    """How much was looked at, and what came of it."""
    parts = [f"{len(history.cases)} cases in {len(history.runs)} runs"]
    parts += [f"{history.changed} changed"] if history.changed else ["no change of level"]
    parts += [f"{history.regressed} slower now than a level before"] if history.regressed else []
    return ", ".join(parts)


def change_words(change: Change) -> str:
    """``1.052 (1.041 … 1.066)``."""
    verdict = change.verdict
    return f"{verdict.ratio:.3f} ({verdict.low:.3f} … {verdict.high:.3f})"


def cause_words(change: Change, most: int = 3) -> str:
    """``git_commit aaaa → bbbb, …``."""
    shown = [f"{cause.name} {cause.before} → {cause.after}" for cause in change.causes[:most]]
    more = len(change.causes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "nothing that is recorded"


def row_of(case: CaseHistory, seconds: Any) -> tuple[str, ...]:
    """The cells under ``COLUMNS``; ``seconds`` writes a time."""
    series, level = case.series, case.level
    last = case.changes[-1] if case.changes else None
    return (
        series.case,
        str(len(series.points)),
        ABSENT if level is None else seconds(level.median_s),
        ABSENT if level is None else f"{level.mad:.2%}",
        ABSENT if case.last_ratio is None else f"{case.last_ratio:.3f}",
        ABSENT if last is None else last.run_id,
        ABSENT if last is None else change_words(last),
        ABSENT if last is None else cause_words(last),
    )


def remarkable(history: History) -> tuple[CaseHistory, ...]:
    """The cases that changed."""
    return tuple(case for case in history.cases if case.changes or case.is_regressed)


def to_markdown(history: History, cases: Sequence[CaseHistory], seconds: Any) -> str:
    """The headline and a table of ``cases``."""
    lines = [f"## {history.label}", "", headline(history), ""]
    if cases:
        lines += [*markdown_table(COLUMNS, [row_of(case, seconds) for case in cases]), ""]
    return "\n".join(lines)


def to_json(history: History) -> dict[str, Any]:
    """Every case with its points, level and changes; times are seconds."""
    return {"runs": list(history.runs), "cases": [case_json(case) for case in history.cases]}


def case_json(case: CaseHistory) -> dict[str, Any]:
    series, level = case.series, case.level
    own = {name: getattr(series, name) for name in ("case_id", "case", "suite", "op", "kernel", "machine")}
    return {
        **own,
        "run_id": [point.run_id for point in series.points],
        "time_s": [point.time_s for point in series.points],
        "failed": [{"run_id": run_id, "status": status} for run_id, status in series.failed],
        "level": None
        if level is None
        else {
            "median_s": level.median_s,
            "mad": level.mad,
            "runs": len(level.times),
            "since": level.since,
            "slower_since": level.slower_since,
        },
        "floor": case.floor,
        "annotations": [asdict(each) for each in case.annotations],
        "last_ratio": case.last_ratio,
        "changes": [_change_json(change) for change in case.changes],
    }


def _change_json(change: Change) -> dict[str, Any]:
    verdict = change.verdict
    figures = {name: getattr(verdict, name) for name in ("ratio", "low", "high", "p", "q")}
    causes = [{"name": each.name, "before": each.before, "after": each.after} for each in change.causes]
    return {
        "run_id": change.run_id,
        "previous_run_id": change.previous_run_id,
        "verdict": str(verdict.verdict),
        **figures,
        "causes": causes,
    }

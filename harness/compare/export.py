"""A comparison as Markdown and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.compare.result import Accuracy, CaseComparison, Comparison, Conformance, FigureChange
from harness.verdict import Change

ABSENT = "–"
_SPEED_ORDER = (Change.SLOWER, Change.FASTER, Change.UNSURE, Change.SAME)


def remarkable(comparison: Comparison) -> list[CaseComparison]:
    """The cases with more to say than that nothing changed, the worst first."""

    def rank(case: CaseComparison) -> tuple[bool, bool, int, float]:
        speed = case.speed
        order = _SPEED_ORDER.index(speed.verdict) if speed is not None else len(_SPEED_ORDER)
        distance = abs(math.log(speed.ratio)) if speed is not None and speed.ratio else 0.0
        return (
            case.conformance is not Conformance.BROKEN,
            case.accuracy is not Accuracy.WORSE,
            order,
            -distance,
        )

    return sorted((case for case in comparison.cases if case.is_remarkable), key=rank)


def counts_line(comparison: Comparison) -> str:
    """How many cases got which verdict."""
    speeds, accuracies = comparison.speeds, comparison.accuracies
    parts = [f"{len(comparison.cases)} cases on both sides"]
    parts += [f"{speeds[each]} {each}" for each in Change if speeds[each]]
    untimed = len(comparison.cases) - speeds.total()
    parts += [f"{untimed} not timed on both sides"] if untimed else []
    parts += [
        f"accuracy {each} of {accuracies[each]}" for each in Accuracy if accuracies[each] and each != Accuracy.SAME
    ]
    for name in (Conformance.BROKEN, Conformance.MENDED):
        count = sum(case.conformance is name for case in comparison.cases)
        parts += [f"{count} {name}"] if count else []
    parts += [f"{len(comparison.added)} added"] if comparison.added else []
    parts += [f"{len(comparison.removed)} removed"] if comparison.removed else []
    return ", ".join(parts)


def ratio_words(case: CaseComparison) -> str:
    """``1.052 (1.041 … 1.066)``; why not, where there is no ratio."""
    speed = case.speed
    if speed is None:
        return ABSENT
    if speed.ratio is None:
        return speed.reason or ABSENT
    return f"{speed.ratio:.3f} ({speed.low:.3f} … {speed.high:.3f})"


def q_words(case: CaseComparison) -> str:
    return ABSENT if case.speed is None or case.speed.q is None else f"{case.speed.q:.2g}"


def band_words(case: CaseComparison) -> str:
    return ABSENT if case.speed is None else f"±{case.speed.band:.1%}"


def accuracy_words(case: CaseComparison) -> str:
    """What changed, in words; how the case ended where one side is not ``ok``."""
    if case.conformance in (Conformance.BROKEN, Conformance.MENDED):
        return f"{case.status_a} → {case.status_b}" + (f": {case.reason}" if case.reason else "")
    if case.accuracy is Accuracy.NOT_COMPARED:
        return case.accuracy_reason or ABSENT
    return f"{case.accuracy}: {figure_words(case.figures)}" if case.figures else str(case.accuracy)


def figure_words(changes: Sequence[FigureChange], most: int = 3) -> str:
    """``sqnr_db 31.2 → 30.9, …``; what got worse first."""
    ordered = sorted(changes, key=lambda change: (change.better is not False, change.better is None))
    shown = [f"{change.name} {change.a:.6g} → {change.b:.6g}" for change in ordered[:most]]
    return ", ".join(shown) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def to_markdown(comparison: Comparison) -> str:
    """A summary for a pull request or a job: counts, a table of what changed, notes."""
    lines = [f"## {comparison.a} → {comparison.b}", "", counts_line(comparison), ""]
    cases = remarkable(comparison)
    if cases:
        header = ("case", "speed", "time B / time A", "q", "band", "accuracy")
        rows = [
            (
                case.case,
                str(case.speed.verdict) if case.speed else ABSENT,
                ratio_words(case),
                q_words(case),
                band_words(case),
                accuracy_words(case),
            )
            for case in cases
        ]
        lines += [*markdown_table(header, rows), ""]
    for title, names in (("Added", comparison.added), ("Removed", comparison.removed)):
        if names:
            lines += [f"### {title}", "", *(f"- {cell(name.case)} ({name.status})" for name in names), ""]
    if comparison.notes:
        lines += ["### Notes", "", *(f"- {cell(note)}" for note in comparison.notes), ""]
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells may hold anything."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows]


def cell(text: str) -> str:
    """Text that neither ends a cell nor is taken as markup."""
    for mark in "\\|*_`<[":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def to_json(comparison: Comparison) -> dict[str, Any]:
    """All cases, with every figure of their verdicts."""
    return {
        "a": comparison.a,
        "b": comparison.b,
        "counts": {
            "speed": {str(key): count for key, count in comparison.speeds.items()},
            "accuracy": {str(key): count for key, count in comparison.accuracies.items()},
        },
        "cases": [_case_json(case) for case in comparison.cases],
        "added": [asdict(name) for name in comparison.added],
        "removed": [asdict(name) for name in comparison.removed],
        "notes": list(comparison.notes),
    }


def _case_json(case: CaseComparison) -> dict[str, Any]:
    values = jsonable(asdict(case))
    assert isinstance(values, dict)
    if case.speed is not None:
        values["speed"]["band"] = case.speed.band
    return {**values, "conformance": str(case.conformance)}


def jsonable(value: Any) -> Any:
    """The value, infinities as text, which JSON can hold."""
    if isinstance(value, dict):
        return {key: jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

"""Two sides → verdicts, joined on case_id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from harness.columns import Row
from harness.compare.accuracy import Figures, compare_accuracy
from harness.compare.machine import environment_notes, other_machine, unjoined_notes
from harness.compare.result import Accuracy, CaseComparison, CaseName, Comparison
from harness.compare.sides import Side
from harness.errors import HarnessError
from harness.verdict import CasePair, CaseVerdict, Change, compare_cases

EXACT = Figures()

SpeedJudge = Callable[[Side, Side, Sequence[tuple[Row, Row]]], Sequence[CaseVerdict]]
"""Verdicts on the speed of pairs of records (of A and B; timed, of the same machine), all as one set, in order."""


def compare_sides(
    a: Side,
    b: Side,
    floors: Mapping[str, float],
    *,
    across_machines: bool = False,
    figures: Figures = EXACT,
    judge: SpeedJudge | None = None,
) -> Comparison:
    """Compare every case that both sides have: the newest record of B with the newest of A on the same machine.

    ``judge`` is asked for speed; without one, rounds of B are held against those of A.

    ``floors``: case_id → noise floor. Records of different machines are compared only ``across_machines``; otherwise
    they are ``unsure`` with the reason. Speed is judged over all cases as one set. Raises HarnessError where the sides
    have no case in common.
    """
    common = [case_id for case_id in b.records if case_id in a.records]
    removed = [a.newest(case_id) for case_id in a.records if case_id not in b.records]
    added = [b.newest(case_id) for case_id in b.records if case_id not in a.records]
    unjoined = unjoined_notes(removed, added)
    if not common:
        raise HarnessError(_nothing_in_common(a, b, unjoined))
    pairs = [(a.like(row), row) for row in map(b.newest, common)]
    reasons = [None if across_machines else other_machine(*pair) for pair in pairs]
    speeds = _speeds(a, b, pairs, reasons, floors, judge or _by_rounds(floors))
    cases = tuple(
        _case(*pair, speed, reason, figures) for pair, speed, reason in zip(pairs, speeds, reasons, strict=True)
    )
    passed_over = _passed_over_notes(*((a, b) if judge is None else (b,)))
    notes = [*passed_over, *_shared_notes(a, b), *unjoined, *environment_notes(pairs), *_floor_notes(speeds, floors)]
    if across_machines:
        notes += sorted({reason for pair in pairs if (reason := other_machine(*pair))})
    return Comparison(a.label, b.label, cases, tuple(map(_name, added)), tuple(map(_name, removed)), tuple(notes))


def _nothing_in_common(a: Side, b: Side, unjoined: Sequence[str]) -> str:
    suites = [", ".join(sorted({str(rows[0]["suite"]) for rows in side.records.values()})) for side in (a, b)]
    got = f"{len(a.records)} cases of {suites[0]}, {len(b.records)} of {suites[1]}"
    hint = "; ".join(unjoined) or "name runs of the same suite, with the same shapes, data and seed"
    return f"{a.label}, {b.label}: must have cases in common (got none: {got}); {hint}"


def _speeds(
    a: Side,
    b: Side,
    pairs: Sequence[tuple[Row, Row]],
    reasons: Sequence[str | None],
    floors: Mapping[str, float],
    judge: SpeedJudge,
) -> list[CaseVerdict | None]:
    """A verdict for each pair that is timed on both sides. Pairs of different machines are no part of the set."""
    timed = [one["time_s"] is not None and two["time_s"] is not None for one, two in pairs]
    chosen = [index for index, reason in enumerate(reasons) if timed[index] and reason is None]
    verdicts = judge(a, b, [pairs[index] for index in chosen])
    found: list[CaseVerdict | None] = [None] * len(pairs)
    for index, verdict in zip(chosen, verdicts, strict=True):
        found[index] = verdict
    for index, reason in enumerate(reasons):
        if timed[index] and reason is not None:
            case_id = pairs[index][1]["case_id"]
            floor = floors.get(case_id, 0.0)
            found[index] = CaseVerdict(case_id, Change.UNSURE, None, None, None, None, None, floor, reason)
    return found


def _by_rounds(floors: Mapping[str, float]) -> SpeedJudge:
    """Rounds of B against rounds of A."""

    def judge(a: Side, b: Side, pairs: Sequence[tuple[Row, Row]]) -> Sequence[CaseVerdict]:
        before, after = a.rounds([one for one, _ in pairs]), b.rounds([two for _, two in pairs])
        empty = np.empty(0)
        ids: list[str] = [two["case_id"] for _, two in pairs]
        return compare_cases([CasePair(each, before.get(each, empty), after.get(each, empty)) for each in ids], floors)

    return judge


def _case(a: Row, b: Row, speed: CaseVerdict | None, reason: str | None, figures: Figures) -> CaseComparison:
    accuracy, changes, why = compare_accuracy(a, b, figures)
    if reason is not None and accuracy is not Accuracy.SAME:
        accuracy, changes, why = Accuracy.NOT_COMPARED, (), reason
    return CaseComparison(
        case_id=b["case_id"],
        case=b["case"],
        suite=b["suite"],
        op=b["op"],
        kernel=b["kernel"],
        role=b["kernel_role"],
        status_a=a["status"],
        status_b=b["status"],
        reason=b["reason"],
        time_a_s=a["time_s"],
        time_b_s=b["time_s"],
        speed=speed,
        accuracy=accuracy,
        figures=changes,
        accuracy_reason=why,
    )


def _name(row: Row) -> CaseName:
    return CaseName(*(row[name] for name in ("case_id", "case", "suite", "status")))


def _passed_over_notes(*sides: Side) -> list[str]:
    return [
        f"{side.label}: {side.passed_over} records of older runs are passed over" for side in sides if side.passed_over
    ]


def _shared_notes(a: Side, b: Side) -> list[str]:
    shared = sorted(a.run_ids & b.run_ids)
    return [f"both sides hold run {', '.join(shared[:3])}"] if shared else []


def _floor_notes(speeds: Sequence[CaseVerdict | None], floors: Mapping[str, float]) -> list[str]:
    compared = [each.case_id for each in speeds if each is not None and each.ratio is not None]
    without = sum(case_id not in floors for case_id in compared)
    if not without:
        return []
    return [f"{without} of {len(compared)} compared cases have no noise floor: harness selfcheck SUITE measures them"]

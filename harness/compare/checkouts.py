"""Two checkouts of the repository on the same cases, their rounds taken in turn by a process each: A B, B A, A B, …

A commit is held against another in the same minutes on the same machine. On a GPU both processes have a context; one of
them works at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.columns import Row
from harness.compare.accuracy import FIGURES, compare_accuracy
from harness.compare.compare import EXACT
from harness.compare.interleave import InterleaveOptions
from harness.compare.lane_process import Lane, LaneError, LaneStopwatch
from harness.compare.result import CaseComparison, CaseName, Comparison
from harness.errors import HarnessError
from harness.selfcheck.pairs import interleaved
from harness.verdict import CasePair, compare_cases

FindFloors = Callable[[Sequence[str]], Mapping[str, float]]
"""Case ids → those that have a noise floor, with it."""
_NOTHING: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True)
class Checkouts:
    """Folders that hold the repository at two commits, and what is run from them."""

    a: Path
    b: Path
    suite: Path
    device: str
    filters: tuple[str, ...] = ()


def compare_checkouts(
    what: Checkouts,
    find_floors: FindFloors,
    options: InterleaveOptions,
    say: Callable[[str], None] = lambda message: None,
) -> Comparison:
    """Time every case that both checkouts can run and judge all as one set. A side that does not conform or fails is not
    timed, and says why. Raises HarnessError where a checkout cannot be run, or no case is common."""
    filters = list(what.filters)
    with (
        Lane(what.a, what.suite, what.device, filters, offline=options.offline) as a,
        Lane(what.b, what.suite, what.device, filters, offline=options.offline) as b,
    ):
        common = [case_id for case_id in b.cases if case_id in a.cases]
        if not common:
            raise HarnessError(f"{what.a}, {what.b}: must have cases in common (got none in {what.suite.name})")
        found = []
        for index, case_id in enumerate(common, start=1):
            say(f"[{index}/{len(common)}] {b.cases[case_id]['case']}")
            found.append(_measured(a, b, case_id, options))
    pairs = [pair for _, pair in found if pair is not None]
    floors = find_floors(common)
    verdicts = iter(compare_cases(pairs, floors))
    cases = tuple(case if pair is None else replace(case, speed=next(verdicts)) for case, pair in found)
    notes = [f"{options.rounds} rounds a side, in turn, of two processes"]
    without = sum(pair.case_id not in floors for pair in pairs)
    notes += [f"{without} of {len(pairs)} compared cases have no noise floor"] if without else []
    return Comparison(str(what.a), str(what.b), cases, _only(b, a), _only(a, b), tuple(notes))


def _only(one: Lane, other: Lane) -> tuple[CaseName, ...]:
    """Cases of ``one`` that ``other`` has not."""
    return tuple(
        CaseName(case_id, known["case"], known["suite"], "not run")
        for case_id, known in one.cases.items()
        if case_id not in other.cases
    )


def _measured(a: Lane, b: Lane, case_id: str, options: InterleaveOptions) -> tuple[CaseComparison, CasePair | None]:
    known = b.cases[case_id]
    sides = [_prepared(lane, case_id) for lane in (a, b)]
    times = (_NOTHING, _NOTHING)
    if all(side["status"] == "ok" for side in sides):
        limits = [lane.cases[case_id]["max_samples"] or options.samples for lane in (a, b)]
        most = min(options.samples, *limits)
        try:
            times = interleaved(LaneStopwatch(a), LaneStopwatch(b), options.rounds, most, known["max_time_s"])
        except LaneError as error:
            failed = sides[0] if str(error).startswith(f"{a.checkout}:") else sides[1]
            failed.update(status="runtime_error", reason=str(error))
    rows = [_row(side, known) for side in sides]
    accuracy, changes, why = compare_accuracy(rows[0], rows[1], EXACT)
    case = CaseComparison(
        case_id=case_id,
        **{name: known[name] for name in ("case", "suite", "op", "kernel", "role")},
        status_a=rows[0]["status"],
        status_b=rows[1]["status"],
        reason=rows[1]["reason"] or rows[0]["reason"],
        time_a_s=float(np.median(times[0])) if times[0].size else None,
        time_b_s=float(np.median(times[1])) if times[1].size else None,
        speed=None,
        accuracy=accuracy,
        figures=changes,
        accuracy_reason=why,
    )
    return case, CasePair(case_id, *times) if times[0].size else None


def _prepared(lane: Lane, case_id: str) -> dict[str, Any]:
    """How the case ended there; a lane that died is started again for the next one."""
    try:
        if not lane.alive:
            lane.restart()
        made: dict[str, Any] = lane.ask("prepare", case_id)
    except LaneError as error:
        return {"status": "runtime_error" if lane.alive else "crashed", "reason": str(error), "figures": {}}
    return made


def _row(side: Mapping[str, Any], known: Mapping[str, Any]) -> Row:
    """As much of a record as accuracy is compared by."""
    own = {"status": side["status"], "reason": side["reason"], "case": known["case"]}
    nothing = dict.fromkeys((*FIGURES, "reference_rows"))
    return {**nothing, **side["figures"], **own, "op": known["op"], "kernel": known["kernel"]}

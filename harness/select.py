"""Choosing among planned cases: ``--filter axis=value`` and ``--limit``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.case import Case
from harness.combinations import Patterns, axis_values, matches
from harness.errors import HarnessError, did_you_mean
from harness.kernels.ops import OPS
from harness.suite.model import axis_names
from harness.suite.types import Suite

_CASE_KEYS = ("case_id", "case", "shape", "data", "backend")


def select(cases: Sequence[Case], suite: Suite, filters: Iterable[str], limit: int | None) -> tuple[Case, ...]:
    """The cases that match every filtered axis (any of its patterns, globs), at most ``limit`` of those that can run.

    ``filters`` are ``axis=pattern``; axes are the suite's, and case_id, case, shape, data, backend. Booleans are true
    and false, what does not apply is none. With a limit, cases that would be skipped are left out. Raises HarnessError
    for an unknown axis, a limit below 1, or where nothing is left.
    """
    if limit is not None and limit < 1:
        raise HarnessError(f"--limit: must be at least 1 (got {limit}); leave it out to run all cases")
    wanted = _parse(filters, (*axis_names(OPS[suite.op]), *_CASE_KEYS))
    chosen = tuple(case for case in cases if all(_matches(case, axis, wanted[axis]) for axis in wanted))
    if not chosen:
        asked = " ".join(f"{axis}={pattern}" for axis, patterns in wanted.items() for pattern in patterns)
        raise HarnessError(
            f"--filter: must leave at least one case (got none of {len(cases)} for {asked or 'no filter'}); "
            "see `harness plan` for what there is"
        )
    if limit is None:
        return chosen
    able = tuple(case for case in chosen if case.skip is None)[:limit]
    if not able:
        raise HarnessError(
            f"--limit: needs cases that can run (got {len(chosen)} that are skipped, the first because it "
            f"{chosen[0].skip}); see `harness plan --skipped`"
        )
    return able


def _parse(filters: Iterable[str], known: Sequence[str]) -> dict[str, Patterns]:
    wanted: dict[str, Patterns] = {}
    for text in filters:
        axis, equals, pattern = text.partition("=")
        if not equals:
            raise HarnessError(f"--filter: must be axis=value (got {text!r}); write kernel=ort_*, say")
        if axis not in known:
            raise HarnessError(f"--filter: must name an axis (got {axis!r}); {did_you_mean(axis, known)}")
        wanted[axis] = (*wanted.get(axis, ()), pattern)
    return wanted


def _matches(case: Case, axis: str, patterns: Patterns) -> bool:
    value = _value(case, axis)
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return matches(text, patterns)


def _value(case: Case, axis: str) -> object:
    match axis:
        case "case_id":
            return case.case_id
        case "case":
            return case.name
        case "shape":
            return case.shape.name
        case "data":
            return " ".join(source.label for _, source in case.shape.sources)
        case "backend":
            return case.backend
        case "kernel":
            return case.kernel
        case "scheme":
            return case.scheme
        case _:
            op = OPS[case.op]
            return axis_values(op, (operand.scheme for operand in case.operands), case.epilogue).get(axis)

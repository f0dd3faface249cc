"""Choosing among planned cases: ``--filter axis=value`` and ``--limit``."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from harness.errors import HarnessError, did_you_mean
from harness.kernels.ops import OPS
from harness.plan import Case, axis_values
from harness.suite.model import axis_names
from harness.suite.types import Suite

_CASE_KEYS = ("case_id", "case", "shape", "data", "backend")


def select(cases: Sequence[Case], suite: Suite, filters: Iterable[str], limit: int | None) -> tuple[Case, ...]:
    """The cases that match every filtered axis (any of its patterns, globs), at most ``limit`` of those that can run.

    ``filters`` are ``axis=pattern``; axes are the suite's, and case_id, case, shape, data, backend. With a limit, cases
    that would be skipped are left out. Raises HarnessError for an unknown axis or where nothing is left.
    """
    wanted: dict[str, list[str]] = {}
    known = (*axis_names(OPS[suite.op]), *_CASE_KEYS)
    for text in filters:
        axis, equals, pattern = text.partition("=")
        if not equals:
            raise HarnessError(f"--filter: must be axis=value (got {text!r}); write kernel=ort_*, say")
        if axis not in known:
            raise HarnessError(f"--filter: must name an axis (got {axis!r}); {did_you_mean(axis, known)}")
        wanted.setdefault(axis, []).append(pattern)
    chosen = tuple(case for case in cases if all(_matches(case, axis, wanted[axis]) for axis in wanted))
    if not chosen:
        raise HarnessError(
            f"--filter: must leave at least one case (got none of {len(cases)} for {' '.join(filters)}); "
            "see `harness plan` for what there is"
        )
    if limit is None:
        return chosen
    return tuple(case for case in chosen if case.skip is None)[:limit]


def _matches(case: Case, axis: str, patterns: Iterable[str]) -> bool:
    value = _value(case, axis)
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


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
            return axis_values(op, (operand.scheme for operand in case.operands)).get(axis)

"""Two kernels on the same problems, their rounds taken in turn in one process: A B, B A, A B, …

What the machine does in the meantime (clock, temperature, other load) it does to both: slowdowns are found that two runs, one
after the other, cannot tell from the night.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.case import Case
from harness.compare.result import Accuracy, CaseComparison, Comparison
from harness.device import Device
from harness.errors import HarnessError, did_you_mean, first_line
from harness.execute import prepare, tensors_on
from harness.kernels import kernel as kernel_row
from harness.kernels.tensors import Tensors
from harness.plan import plan
from harness.select import select
from harness.selfcheck.pairs import MakeStopwatch, interleaved, stopwatch_of
from harness.suite import Suite
from harness.timing.stopwatch import Stopwatch
from harness.verdict import CasePair, compare_cases

_ANOTHER_KERNEL = "two kernels: each is held to its own definition"
_NOTHING: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True)
class InterleaveOptions:
    """``rounds`` a side, a round of at most ``samples`` samples."""

    rounds: int = 20
    samples: int = 20
    offline: bool = False


@dataclass(frozen=True, eq=False)
class _Side:
    status: str
    reason: str | None
    stopwatch: Stopwatch | None


def kernel_pairs(suite: Suite, device: Device, a: str, b: str, filters: Sequence[str] = ()) -> list[tuple[Case, Case]]:
    """The cases of kernels ``a`` and ``b`` on equal operands that can run on ``device``. Raises HarnessError where a kernel is
    not in the suite, or there is no pair."""
    cases = [case for case in select(plan(suite, device), suite, filters, None) if case.skip is None]
    known = {case.kernel for case in cases}
    for name in (a, b):
        if name not in known:
            raise HarnessError(
                f"--interleave: must be kernels of {suite.name} that run on {device.name} (got {name!r}); "
                f"{did_you_mean(name, known)}"
            )
    before = {(case.shape, case.operands, case.epilogue): case for case in cases if case.kernel == a}
    pairs = [
        (before[key], case)
        for case in cases
        if case.kernel == b and (key := (case.shape, case.operands, case.epilogue)) in before
    ]
    if not pairs:
        raise HarnessError(f"--interleave: {a} and {b} must have operands in common (got none in {suite.name})")
    return pairs


def compare_interleaved(
    pairs: Sequence[tuple[Case, Case]],
    device: Device,
    floors: Mapping[str, float],
    options: InterleaveOptions,
    *,
    make_stopwatch: MakeStopwatch | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Comparison:
    """Time each pair and judge all as one set. A kernel that does not conform or fails is not timed, and says why.
    ``floors``: case_id (of B's case) → noise floor. ``make_stopwatch`` replaces the backend's."""
    tensors = tensors_on(device, offline=options.offline)
    found: list[tuple[CaseComparison, CasePair | None]] = []
    for index, (one, two) in enumerate(pairs, start=1):
        say(f"[{index}/{len(pairs)}] {two.name}")
        found.append(_measured(one, two, device, tensors, options, make_stopwatch))
    timed = [pair for _, pair in found if pair is not None]
    verdicts = iter(compare_cases(timed, floors))
    cases = tuple(case if pair is None else replace(case, speed=next(verdicts)) for case, pair in found)
    without = sum(pair.case_id not in floors for pair in timed)
    notes = [f"{options.rounds} rounds a side, in turn"]
    notes += [f"{without} of {len(timed)} compared cases have no noise floor"] if without else []
    one, two = pairs[0]
    return Comparison(one.kernel, two.kernel, cases, (), (), tuple(notes))


def _measured(
    one: Case,
    two: Case,
    device: Device,
    tensors: Tensors,
    options: InterleaveOptions,
    make_stopwatch: MakeStopwatch | None,
) -> tuple[CaseComparison, CasePair | None]:
    a, b = (_side(case, device, tensors, make_stopwatch) for case in (one, two))
    times = (_NOTHING, _NOTHING)
    if a.stopwatch is not None and b.stopwatch is not None:
        limits = [kernel_row(case.op, case.kernel).max_samples or options.samples for case in (one, two)]
        most = min(options.samples, *limits)
        times = interleaved(a.stopwatch, b.stopwatch, options.rounds, most, two.measure.max_time_s)
    comparison = CaseComparison(
        case_id=two.case_id,
        case=two.name,
        suite=two.suite,
        op=two.op,
        kernel=two.kernel,
        role=kernel_row(two.op, two.kernel).role,
        status_a=a.status,
        status_b=b.status,
        reason=b.reason or a.reason,
        time_a_s=float(np.median(times[0])) if times[0].size else None,
        time_b_s=float(np.median(times[1])) if times[1].size else None,
        speed=None,
        accuracy=Accuracy.NOT_COMPARED,
        figures=(),
        accuracy_reason=b.reason or a.reason or _ANOTHER_KERNEL,
    )
    return comparison, CasePair(two.case_id, *times) if times[0].size else None


def _side(case: Case, device: Device, tensors: Tensors, make_stopwatch: MakeStopwatch | None) -> _Side:
    """The stopwatch of a kernel that conforms."""
    try:
        made = prepare(case, device, tensors)
        made.kernel.launch()
        verdict = made.family.judge(made.problem, made.kernel.output())
        if not verdict.conforms:
            return _Side("inaccurate", f"{case.kernel}: {verdict.reason}", None)
        return _Side("ok", None, (make_stopwatch or stopwatch_of(case.backend))(made.kernel, case.measure))
    except Exception as failure:
        return _Side("runtime_error", f"{case.kernel}: {type(failure).__name__}: {first_line(failure)}", None)

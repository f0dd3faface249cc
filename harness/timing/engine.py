"""The timing engine: warm up, take rounds until enough has been seen, summarise. The same on every backend."""

from __future__ import annotations

from harness.timing.measure import Measure
from harness.timing.stopping import Criterion, StopReason, criterion_of
from harness.timing.stopwatch import Round, Stopwatch
from harness.timing.summary import Timing


def time_rounds(stopwatch: Stopwatch, measure: Measure, *, max_samples: int | None = None) -> Timing:
    """Time what ``stopwatch`` holds. ``max_samples``: a kernel's own limit, where it has one (such a kernel is slow, and
    its conformance run has warmed it up).

    At least one sample is taken, however short ``max_time_s`` is.
    """
    most = min(measure.max_samples, max_samples or measure.max_samples)
    settled = stopwatch.warm_up(stopwatch.clock() + measure.max_time_s) if max_samples is None else None
    begin, criterion = stopwatch.clock(), criterion_of(measure)
    deadline = begin + measure.max_time_s
    rounds: list[Round] = []
    taken = 0
    while True:
        made = stopwatch.round(most - taken)
        rounds.append(made)
        taken += len(made.samples)
        criterion.add(made.samples)
        reason = _reached(criterion, measure, taken, most, stopwatch.clock() - begin)
        if reason is not None:
            return Timing.of(rounds, reason, settled)
        stopwatch.rest(deadline - stopwatch.clock())
        if stopwatch.clock() >= deadline:
            return Timing.of(rounds, StopReason.MAX_TIME, settled)


def _reached(criterion: Criterion, measure: Measure, taken: int, most: int, elapsed_s: float) -> StopReason | None:
    """A limit; or the criterion's answer, once the floor is reached."""
    if taken >= most:
        return StopReason.MAX_SAMPLES
    if elapsed_s >= measure.max_time_s:
        return StopReason.MAX_TIME
    floor = taken >= measure.min_samples and elapsed_s >= measure.min_time_s
    return criterion.reached() if floor else None

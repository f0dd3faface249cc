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
    if max_samples is None:
        stopwatch.warm_up(stopwatch.clock() + measure.max_time_s)
    begin, criterion = stopwatch.clock(), criterion_of(measure)
    deadline = begin + measure.max_time_s
    rounds: list[Round] = []
    taken = 0
    while True:
        if rounds:
            stopwatch.rest()
        made = stopwatch.round(most - taken)
        rounds.append(made)
        taken += len(made.samples)
        criterion.add(made.samples)
        now = stopwatch.clock()
        if taken >= most:
            return Timing.of(rounds, StopReason.MAX_SAMPLES)
        if now >= deadline:
            return Timing.of(rounds, StopReason.MAX_TIME)
        reason = _reached(criterion, measure, taken, now - begin)
        if reason is not None:
            return Timing.of(rounds, reason)


def _reached(criterion: Criterion, measure: Measure, taken: int, elapsed_s: float) -> StopReason | None:
    """The criterion's answer, once the floor is reached."""
    floor = taken >= measure.min_samples and elapsed_s >= measure.min_time_s
    return criterion.reached() if floor else None

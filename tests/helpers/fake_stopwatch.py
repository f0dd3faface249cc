"""A stopwatch on a machine that does not exist: the test says what launches take, and moves the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from harness.timing import MachineState, Measure, Round, Timing, time_rounds


class FakeStopwatch:
    """``times``: seconds of each sample in turn, the last one for ever; ``per_round`` samples make a round."""

    def __init__(
        self,
        times: Iterable[float] = (1e-3,),
        *,
        per_round: int = 10,
        rest_s: float = 0.0,
        warm_up_s: float = 0.0,
        settled: bool | None = None,
        state: Callable[[], MachineState] = MachineState,
    ) -> None:
        self.now, self.calls = 0.0, list[str]()
        self._times, self._last = iter(times), 0.0
        self._per_round, self._rest_s, self._warm_up_s, self._state = per_round, rest_s, warm_up_s, state
        self._settled = settled

    def clock(self) -> float:
        return self.now

    def warm_up(self, deadline: float) -> bool | None:
        self.calls.append("warm up")
        self.now = min(self.now + self._warm_up_s, deadline)
        return self._settled

    def round(self, most: int) -> Round:
        self.calls.append("round")
        samples = [self._sample() for _ in range(min(most, self._per_round))]
        return Round(np.array(samples), state=self._state())

    def rest(self, most_s: float) -> None:
        self.calls.append("rest")
        self.now += min(self._rest_s, most_s)

    def _sample(self) -> float:
        self._last = next(self._times, self._last)
        self.now += self._last
        return self._last


def timing_of(*samples: float) -> Timing:
    """What an engine reports that took these samples in one round."""
    return time_rounds(FakeStopwatch(samples, per_round=len(samples)), Measure(max_samples=len(samples)))


def noise(median: float, relative: float, seed: int = 0) -> Iterator[float]:
    """Endless normal samples."""
    random = np.random.default_rng(seed)
    while True:
        yield float(median * (1 + relative * random.standard_normal()))

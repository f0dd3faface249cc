"""When a machine under load has settled: clock and temperature hold, or, where it does not tell them, times do."""

from __future__ import annotations

from collections import deque

import numpy as np

from harness.timing.stopwatch import MachineState, Stopwatch

_SPAN_S = 1.0
_CLOCK, _TEMPERATURE_C, _TIME = 0.01, 1.0, 0.005


def settle(stopwatch: Stopwatch, deadline: float, most: int) -> bool:
    """Take rounds of at most ``most`` samples until the machine has settled, or until ``deadline`` (of the stopwatch's
    clock); whether it has."""
    settling = Settling()
    while stopwatch.clock() < deadline and not settling.settled:
        made = stopwatch.round(most)
        settling.add(stopwatch.clock(), float(np.median(made.samples)), made.state)
    return settling.settled


class Settling:
    """Shown a median time and the state of the machine after each round of the warm-up."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, MachineState]] = deque()

    def add(self, now: float, time_s: float, state: MachineState) -> None:
        """``now``: wall seconds."""
        self._seen.append((now, time_s, state))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _SPAN_S:  # one from before the last second stays
            self._seen.popleft()

    @property
    def settled(self) -> bool:
        """Whether, over the last second, the clock stayed within 1 % and the temperature within 1 °C. A machine that
        tells neither: whether times stayed within 0.5 %."""
        if len(self._seen) < 2 or self._seen[-1][0] - self._seen[0][0] < _SPAN_S:
            return False
        clocks = [state.sm_clock_hz for _, _, state in self._seen if state.sm_clock_hz is not None]
        temperatures = [state.temperature_c for _, _, state in self._seen if state.temperature_c is not None]
        if not clocks and not temperatures:
            times = [time_s for _, time_s, _ in self._seen]
            return max(times) - min(times) <= _TIME * min(times)
        steady_clock = not clocks or max(clocks) - min(clocks) <= _CLOCK * max(clocks)
        return steady_clock and (not temperatures or max(temperatures) - min(temperatures) <= _TEMPERATURE_C)

"""When the warm-up of mode ``steady`` may end."""

from __future__ import annotations

import pytest

from harness.timing import MachineState
from harness.timing.settling import Settling


def _settles_at(clocks, temperatures, times):
    settling = Settling()
    for index, (clock, temperature, time_s) in enumerate(zip(clocks, temperatures, times, strict=True)):
        settling.add(index / 10, time_s, MachineState(sm_clock_hz=clock, temperature_c=temperature))
        if settling.settled:
            return index / 10
    return None


SAME = [1e-3] * 60


@pytest.mark.parametrize(
    ("clocks", "temperatures", "times", "at"),
    [
        ([1.7e9] * 60, [50.0] * 60, SAME, 1.0),
        ([1.9e9 - 2e7 * min(i, 20) for i in range(60)], [50.0] * 60, SAME, 3.0),
        ([1.7e9] * 60, [40.0 + min(i, 30) for i in range(60)], SAME, 3.9),
        ([1.7e9 + 5e7 * (i % 2) for i in range(60)], [50.0] * 60, SAME, None),
        ([None] * 60, [None] * 60, SAME, 1.0),
        ([None] * 60, [None] * 60, [1e-3 + 1e-5 * min(i, 20) for i in range(60)], 3.0),
    ],
)
def test_settled_after_a_second_without_change(clocks, temperatures, times, at):
    found = _settles_at(clocks, temperatures, times)
    assert found == (pytest.approx(at, abs=0.15) if at else None)

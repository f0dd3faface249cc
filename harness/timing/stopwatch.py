"""What a backend gives the timing engine: samples, round by round, and the state of the machine while they were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MachineState:
    """The machine during one round. None: this machine does not tell.

    Clocks in Hz, power in W, temperature in °C; ``throttle_reasons`` are NVML's names of what held the clocks down;
    ``other_load`` is the share of the machine's cores that other processes kept busy.
    """

    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    other_load: float | None = None


@dataclass(frozen=True, eq=False)
class Round:
    """Samples taken close together. ``samples`` are seconds a launch; each is the mean of ``launches_per_sample``."""

    samples: NDArray[np.float64]
    launches_per_sample: int = 1
    state: MachineState = MachineState()


class Stopwatch(Protocol):
    """One kernel, ready to be timed on one backend. Making it may add operand sets and capture graphs."""

    def clock(self) -> float:
        """Wall seconds, from any start."""

    def warm_up(self, deadline: float) -> bool | None:
        """Launch until code is loaded and caches are in the state asked for; in mode ``steady`` until clock and
        temperature hold: then says whether they did (None in mode ``burst``). Ends at ``deadline`` (of ``clock``)."""

    def round(self, most: int) -> Round:
        """Between 1 and ``most`` samples, close together; how many is the backend's choice."""

    def rest(self, most_s: float) -> None:
        """Between rounds: in mode ``burst`` idle for so long that clock and power recover, at most ``most_s``."""

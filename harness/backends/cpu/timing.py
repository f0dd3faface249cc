"""Timing on the CPU: the engine over a stopwatch that reads ``time.perf_counter_ns``."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.backends.cpu.device import last_level_cache_bytes
from harness.backends.cpu.load import OtherLoad
from harness.cores import CORES, kept_to_first_core
from harness.kernels.family import Kernel
from harness.numerics.parallel import in_parts
from harness.timing import MachineState, Measure, Round, Timing, time_rounds
from harness.timing.settling import settle

_WARM_UP_RUNS = 2
_ROUND_S = 0.02
_MOST_IN_ROUND = 128
_LEAST_CACHE_BYTES, _MOST_CACHE_BYTES = 32 << 20, 256 << 20


class CpuStopwatch:
    """One kernel on the CPU. ``l2: cold`` writes over a buffer twice the last-level cache before every sample. In mode
    ``steady`` the warm-up goes on until times hold; there are no rests in either mode: an idle core clocks down."""

    def __init__(
        self,
        kernel: Kernel,
        measure: Measure,
        *,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        evict: Callable[[], None] | None = None,
        load: Callable[[], float | None] | None = None,
    ) -> None:
        self._kernel, self._measure, self._clock_ns = kernel, measure, clock_ns
        self._evict = evict or evict_caches if measure.l2 == "cold" else _nothing
        self._load = load or OtherLoad()

    def clock(self) -> float:
        return self._clock_ns() / 1e9

    def warm_up(self, deadline: float) -> bool | None:
        steady = self._measure.mode == "steady"
        for _ in range(_WARM_UP_RUNS):
            with kept_to_first_core():
                self._kernel.launch()
            if self.clock() > deadline:
                return False if steady else None
        return settle(self, deadline, _MOST_IN_ROUND) if steady else None

    def round(self, most: int) -> Round:
        """As many samples as fit 20 ms, evictions included."""
        begin, samples = self._clock_ns(), list[int]()
        most = min(most, _MOST_IN_ROUND)
        with kept_to_first_core():
            while not samples or (len(samples) < most and self._clock_ns() - begin < _ROUND_S * 1e9):
                self._evict()
                start = self._clock_ns()
                self._kernel.launch()
                samples.append(self._clock_ns() - start)
        return Round(np.array(samples) / 1e9, state=MachineState(other_load=self._load()))

    def rest(self, most_s: float) -> None:
        """None."""


def stopwatch(kernel: Kernel, measure: Measure) -> CpuStopwatch:
    """A stopwatch for ``kernel``."""
    return CpuStopwatch(kernel, measure)


def time_launch(kernel: Kernel, measure: Measure, *, max_samples: int | None = None) -> Timing:
    """Time ``kernel`` as ``measure`` asks; ``max_samples`` is the kernel's own limit."""
    return time_rounds(stopwatch(kernel, measure), measure, max_samples=max_samples)


def _nothing() -> None:
    return None


@functools.cache
def _buffer() -> NDArray[np.uint8]:
    cache = min(max(_LEAST_CACHE_BYTES, last_level_cache_bytes()), _MOST_CACHE_BYTES)
    return np.zeros(2 * cache, dtype=np.uint8)


def evict_caches() -> None:
    """Write over a buffer twice the size of the last-level cache, on all cores: they have caches of their own."""
    buffer = _buffer()

    def write(part: slice) -> None:
        np.add(buffer[part], 1, out=buffer[part])

    in_parts(write, buffer.size, -(-buffer.size // len(CORES)))

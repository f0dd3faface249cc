"""The CUDA stopwatch: samples between events, queued while a gate holds the stream so that launch latency stays out.

A sample is one launch, or (for kernels under 200 µs) the mean of a graph of launches. A round is about 10 ms of samples. In
mode ``burst`` each sample has a gate of its own (in a long queue the device takes up to a microsecond longer from the event
to the launch), and the device idles between rounds, so that clock and power are those of single inferences. In mode
``steady`` a whole round is queued behind one gate, nothing rests, and the warm-up goes on until clock and temperature hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.batch import Batch, batch_of
from harness.backends.cuda.cooling import Cold, Hot
from harness.backends.cuda.gate import Gate
from harness.backends.cuda.nvml import state
from harness.timing import MachineState, Measure, Round
from harness.timing.settling import settle

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel

_WARM_UP_S = 0.02  # clocks rise, code is loaded
_TRIAL_SAMPLES = 5
_ROUND_S = 10e-3
_MOST_SAMPLES = 128
"""Of a round; the driver holds about a thousand launches before it makes the host wait."""


class CudaStopwatch:
    """One kernel on its device."""

    short_s: ClassVar[float] = 200e-6
    """Kernels below this are timed in graphs. One launch alone is 1 to 2.5 µs longer than one of many: far above this the
    difference is below what verdicts heed, and a kernel that is now above and now below it gets no other time."""
    rest_ratio: ClassVar[float] = 3.0
    """Idle time after a round, over the round's own: NOTES.md of this folder says what chose it."""

    def __init__(
        self,
        kernel: CudaKernel,
        measure: Measure,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._kernel, self._measure = kernel, measure
        self.clock, self._sleep = clock, sleep
        self._gate = Gate(kernel.session)
        self._cold = measure.l2 == "cold"
        self._cooler: Hot = Cold(kernel) if self._cold else Hot(kernel)
        self._batch: Batch | None = None
        self._sample_s: float | None = None
        """From one sample to the next, what makes the cache cold included."""
        self._busy_s = 0.0

    def warm_up(self, deadline: float) -> bool | None:
        """Every set once, the clock's rise, the length of a launch, in mode ``steady`` until clock and temperature hold."""
        begin, launches, steady = self.clock(), 0, self._measure.mode == "steady"
        while launches < self._kernel.sets or self.clock() < min(begin + _WARM_UP_S, deadline):
            before = self.clock()
            self._cooler.next()
            self._kernel.launch()
            self._kernel.session.synchronize()
            launches += 1
            self._sample_s = self.clock() - before  # until samples tell better; the first launch loads code
            if self.clock() > deadline:
                return False if steady else None
        launch_s = float(np.median(self.round(_TRIAL_SAMPLES).samples))
        if launch_s < self.short_s:  # whatever the deadline: a process's first query of its state takes long
            self._batch = batch_of(self._kernel, launch_s, cold=self._cold)
        return settle(self, deadline, _MOST_SAMPLES) if steady else None

    def round(self, most: int) -> Round:
        fits = _TRIAL_SAMPLES if self._sample_s is None else max(1, int(_ROUND_S / self._sample_s))
        samples, observed = self._take(min(most, fits, _MOST_SAMPLES))
        return Round(samples, self._launches, observed)

    def rest(self, most_s: float) -> None:
        if self._measure.mode == "burst":
            self._sleep(max(0.0, min(self.rest_ratio * self._busy_s, most_s)))

    @property
    def _launches(self) -> int:
        """Of a sample."""
        return self._batch.launches if self._batch else 1

    def _take(self, count: int) -> tuple[NDArray[np.float64], MachineState]:
        """``count`` samples (seconds a launch), and the machine's state in the middle of them: clock and power are those of
        the load then."""
        take = self._queued if self._measure.mode == "steady" else self._apart
        begin = self.clock()
        lengths, observed = take(count)
        self._sample_s = (self.clock() - begin) / count
        self._busy_s = sum(lengths)
        return np.array(lengths) / self._launches, observed

    def _apart(self, count: int) -> tuple[list[float], MachineState]:
        """A gate a sample."""
        session, lengths = self._kernel.session, []
        for index in range(count):
            self._cool()
            session.synchronize()
            self._gate.shut()
            start, end = self._sample()
            self._gate.open()
            if index == count // 2:
                observed = self._observe(0.5)
            session.synchronize()
            lengths.append((end - start) / 1e3)
        return lengths, observed

    def _queued(self, count: int) -> tuple[list[float], MachineState]:
        """One gate for all."""
        self._gate.shut()
        pairs = []
        for _ in range(count):
            self._cool()
            pairs.append(self._sample())
        self._gate.open()
        observed = self._observe(count / 2)
        self._kernel.session.synchronize()
        return [(end - start) / 1e3 for start, end in pairs], observed

    def _observe(self, samples: float) -> MachineState:
        """The machine's state, so many samples from now."""
        if self._sample_s is not None:
            self._sleep(samples * self._sample_s)
        return state(self._kernel.session.device)

    def _cool(self) -> None:
        (self._batch or self._cooler).next()

    def _sample(self) -> tuple[Any, Any]:
        start = self._event()
        (self._batch or self._kernel).launch()
        return start, self._event()

    def _event(self) -> Any:
        from cuda.core import EventOptions

        return self._kernel.session.stream.record(options=EventOptions(timing_enabled=True))

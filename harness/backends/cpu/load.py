"""How busy other processes keep the cores that this one may use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.cores import CORES

_STAT = Path("/proc/stat")
_IDLE_FIELDS = (3, 4)  # idle, iowait
_MIN_SPAN_S = 0.1
"""The kernel counts in hundredths of a second: shorter spans tell nothing."""


@dataclass(frozen=True)
class _Reading:
    now: float
    busy_s: float
    own_s: float


class OtherLoad:
    """Called now and then: the share of this process's cores that others kept busy since the last reading, 0 to 1; the
    last answer again within a tenth of a second; None before the first, and where Linux's /proc/stat is not there."""

    def __init__(
        self,
        stat: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.process_time,
    ) -> None:
        self._stat, self._clock, self._own = stat or _STAT.read_text, clock, own
        self._cores = CORES
        self._last = self._read()
        self._share: float | None = None

    def __call__(self) -> float | None:
        if self._last is None or self._clock() - self._last.now < _MIN_SPAN_S:
            return self._share
        before, after = self._last, self._read()
        if after is not None:
            others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
            self._share = min(1.0, max(0.0, others / ((after.now - before.now) * len(self._cores))))
        self._last = after
        return self._share

    def _read(self) -> _Reading | None:
        try:
            text = self._stat()
        except OSError:
            return None
        wanted, ticks = {f"cpu{core}" for core in self._cores}, 0
        for line in text.splitlines():
            name, *fields = line.split()
            if name in wanted:
                ticks += sum(int(field) for index, field in enumerate(fields[:8]) if index not in _IDLE_FIELDS)
        return _Reading(self._clock(), ticks / os.sysconf("SC_CLK_TCK"), self._own())

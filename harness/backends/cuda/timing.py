"""Timing on CUDA: events around single launches, queued while a gate holds the stream, on cold operands.

Each sample is one launch between two events. Samples are queued in batches behind a shut gate, so that the launch latency
of the host stays out of them. Cold: the operands rotate through so many sets that none
is left in the second-level cache (at least two sets, of twice the cache in all); where that would take too many sets or
too much memory, a buffer twice the cache is written before every sample instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.backends.cuda.gate import Gate
from harness.timing import Measure, Timing

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel

_WARM_UP_S = 0.02  # clocks rise, code is loaded
_MAX_SETS = 16
_BATCH = 32
"""Samples that are queued before the host waits."""
_L2_MULTIPLE = 2


def time_launch(
    kernel: CudaKernel,
    measure: Measure,
    *,
    max_samples: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time ``kernel`` until ``min_samples`` are there or ``max_time_s`` of wall time is over; at least one sample."""
    wanted = measure.min_samples if max_samples is None else min(measure.min_samples, max_samples)
    deadline = clock() + measure.max_time_s
    cooler = _Cooler(kernel) if measure.l2 == "cold" else _Warm(kernel)
    gate = Gate(kernel.session)
    _warm_up(kernel, cooler, deadline, clock)
    samples: list[float] = []
    while len(samples) < wanted and not (samples and clock() > deadline):
        gate.shut()
        batch = [_sample(kernel, cooler) for _ in range(min(_BATCH, wanted - len(samples)))]
        gate.open()
        kernel.session.synchronize()
        samples += [(end - start) / 1e3 for start, end in batch]
    return Timing.of(np.array(samples))


def _sample(kernel: CudaKernel, cooler: _Warm) -> tuple[Any, Any]:
    from cuda.core import EventOptions

    stream, options = kernel.session.stream, EventOptions(timing_enabled=True)
    cooler.next()
    start = stream.record(options=options)
    kernel.launch()
    return start, stream.record(options=options)


def _warm_up(kernel: CudaKernel, cooler: _Warm, deadline: float, clock: Callable[[], float]) -> None:
    """Every set once, then until the clocks have had time to rise."""
    end = min(clock() + _WARM_UP_S, deadline)
    launches = 0
    while launches < kernel.sets or clock() < end:
        cooler.next()
        kernel.launch()
        kernel.session.synchronize()
        launches += 1
        if clock() > deadline:
            break


class _Warm:
    """Hot: the same operands again and again."""

    def __init__(self, kernel: CudaKernel) -> None:
        self._kernel = kernel

    def next(self) -> None:
        """Make ready for the next launch."""


class _Cooler(_Warm):
    """Cold: the next set of operands, or the cache written over."""

    def __init__(self, kernel: CudaKernel) -> None:
        super().__init__(kernel)
        self._index = 0
        self._flush: Any = None
        target = _L2_MULTIPLE * kernel.session.l2_bytes
        wanted = max(2, -(-target // max(1, kernel.operand_bytes)))
        if wanted > _MAX_SETS or not _add_sets(kernel, wanted):
            import cupy

            self._flush = cupy.zeros(target, dtype=np.uint8)

    def next(self) -> None:
        if self._flush is not None:
            self._flush.fill(self._index & 0xFF)
        self._index += 1
        self._kernel.select(self._index)


def _add_sets(kernel: CudaKernel, wanted: int) -> bool:
    """Whether there was memory for ``wanted`` sets; what there was room for stays."""
    try:
        while kernel.sets < wanted:
            kernel.add_set()
    except MemoryError:
        return False
    return True

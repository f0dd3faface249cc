"""Wall-clock timing on the CPU: warm up, take samples, keep them all."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.kernels.family import Kernel
from harness.timing import Measure, Timing

_WARM_UP_RUNS = 2
_DEFAULT_CACHE_BYTES = 32 << 20


def time_launch(
    kernel: Kernel,
    measure: Measure,
    *,
    max_samples: int | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
    evict: Callable[[], None] | None = None,
) -> Timing:
    """Time ``kernel.launch`` until ``min_samples`` are there or ``max_time_s`` of wall time (evictions included) is over.

    ``l2: cold`` writes over a buffer twice the last-level cache before every sample. At least one sample is taken.
    """
    if evict is None:
        evict = evict_caches if measure.l2 == "cold" else _nothing
    wanted = measure.min_samples if max_samples is None else min(measure.min_samples, max_samples)
    begin = clock()
    deadline = begin + int(measure.max_time_s * 1e9)
    # Reference kernels are slow, and their conformance run has warmed them up.
    for _ in range(_WARM_UP_RUNS if max_samples is None else 0):
        kernel.launch()
        if clock() > deadline:
            break
    samples: list[int] = []
    while len(samples) < wanted and not (samples and clock() > deadline):
        evict()
        start = clock()
        kernel.launch()
        samples.append(clock() - start)
    return Timing.of(np.array(samples) / 1e9)


def _nothing() -> None:
    return None


@functools.cache
def _buffer() -> NDArray[np.uint8]:
    return np.zeros(2 * _last_level_cache_bytes(), dtype=np.uint8)


def evict_caches() -> None:
    """Write over a buffer twice the size of the last-level cache."""
    buffer = _buffer()
    np.add(buffer, 1, out=buffer)


def _last_level_cache_bytes() -> int:
    """Size of the largest cache that Linux lists for the first core."""
    sizes = [_DEFAULT_CACHE_BYTES]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        if text.rstrip("KM").isdigit():
            sizes.append(int(text.rstrip("KM")) * unit)
    return min(max(sizes), 256 << 20)

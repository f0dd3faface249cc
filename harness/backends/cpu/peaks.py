"""What the CPU reaches, measured here: a copy of memory, and a product in f32, on every core that this process may use."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np

from harness.backends.cpu.device import cores, last_level_cache_bytes, memory_limit
from harness.backends.cpu.timing import time_launch
from harness.cores import on_all_cores
from harness.device import Device
from harness.peaks import Peaks, Rate, load_peaks, store_peaks
from harness.timing import Measure

_SIDE = 2048
_CACHE_MULTIPLE = 4
_MEMORY_SHARE = 1 / 8  # at most, for each of the two buffers
_LEAST_COPY_BYTES = 256 << 20
_MEASURE = Measure(l2="hot", min_samples=5, min_time_s=0.2, max_time_s=2.0)  # the buffer is larger than the caches


class _Copy:
    """A buffer's bytes to another, a part by each core (NumPy copies without the interpreter's lock)."""

    def __init__(self, count: int) -> None:
        self._x = np.random.default_rng(0).integers(0, 2**63, count // 8)
        self._y = np.zeros_like(self._x)
        self._parts = list(zip(np.array_split(self._y, cores()), np.array_split(self._x, cores()), strict=True))
        self._pool = ThreadPoolExecutor(cores(), initializer=on_all_cores)

    def launch(self) -> None:
        for done in [self._pool.submit(np.copyto, to, source) for to, source in self._parts]:
            done.result()

    def output(self) -> bool:
        """Whether every byte arrived."""
        return bool(np.array_equal(self._x, self._y))


class _Product:
    """``y = a b`` in f32 by NumPy's BLAS."""

    def __init__(self, side: int) -> None:
        self._a, self._b = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
        self._y = np.empty_like(self._a)

    def launch(self) -> None:
        np.matmul(self._a, self._b, out=self._y)

    def output(self) -> object:
        return self._y


def copy_bytes() -> int:
    """Bytes of the buffer: more than four times the last-level cache, but no more than an eighth of the memory."""
    wanted = max(_LEAST_COPY_BYTES, _CACHE_MULTIPLE * last_level_cache_bytes() + (1 << 20))
    return min(wanted, int(memory_limit() * _MEMORY_SHARE)) // 8 * 8


def copy_bandwidth(device: Device, count: int | None = None) -> float:
    """Bytes a second, read and written, of a copy of ``count`` bytes (default ``copy_bytes()``); the median."""
    count = count or copy_bytes()
    return 2 * count / time_launch(_Copy(count), _MEASURE).time_s


def product_rate(device: Device, side: int = _SIDE) -> Rate:
    """The rate of a square product in f32; the median."""
    return Rate("f32", 2 * side**3 / time_launch(_Product(side), _MEASURE).time_s)


@functools.cache
def known_peaks(device: Device) -> Peaks | None:
    """What ``harness doctor --peaks`` has measured; None where it has not: a run of the CPU does not wait for that."""
    return load_peaks(*identity(device))


def measure_peaks(device: Device) -> Peaks:
    """Measure now, whatever the cache holds, and keep the outcome there. Raises DataError where it cannot be written."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = Peaks(*identity(device), now, copy_bandwidth(device), None, (product_rate(device),))
    store_peaks(made)
    return made


def identity(device: Device) -> tuple[str, str]:
    """What peaks are kept by: the model with the number of usable cores, and NumPy's version (its BLAS makes the product)."""
    return f"cpu {device.model} {cores()} cores", f"numpy {np.__version__}"

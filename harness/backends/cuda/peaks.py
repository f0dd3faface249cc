"""What the device reaches, measured here: the ceiling that memory-bound kernels are held against."""

from __future__ import annotations

import functools

import numpy as np

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.backends.cuda.timing import time_launch
from harness.device import Device
from harness.timing import Measure

COPY_BYTES = 256 << 20
_MEASURE = Measure(min_samples=50, max_time_s=1.0)


class _Copy(CudaKernel):
    """The driver's device-to-device copy of random bytes."""

    def __init__(self, device: Device) -> None:
        values = np.random.default_rng(0).integers(0, 2**63, COPY_BYTES // 8)
        super().__init__(device, {"x": values}, {"y": Output((COPY_BYTES // 8,), np.int64)})

    def launch_on(self, arrays: Arrays) -> None:
        arrays["y"].data.copy_from_device_async(arrays["x"].data, COPY_BYTES)

    def output(self) -> object:
        return self.array("y")


@functools.cache
def copy_bandwidth(device: Device) -> float:
    """Bytes a second, read and written, of a copy of 256 MiB on cold caches; the median, measured once a process."""
    return 2 * COPY_BYTES / time_launch(_Copy(device), _MEASURE).time_s

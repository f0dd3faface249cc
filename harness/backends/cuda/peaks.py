"""What the device reaches, measured here: bandwidths, and rates of products as cuBLAS (fp8: torch) makes them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda import cublas
from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.backends.cuda.probe import driver
from harness.backends.cuda.session import session
from harness.backends.cuda.timing import time_launch
from harness.device import Device
from harness.kernels.specialisation import Specialisation
from harness.peaks import Peaks, Rate, load_peaks, store_peaks
from harness.timing import Measure
from harness.timing.summary import median_of

COPY_BYTES = 256 << 20
_SIDE = 8192  # of the products; below 4096 launches and tails are felt
_MEASURE = Measure(min_samples=30, min_time_s=0.2, max_time_s=1.5)
_READ_THREADS, _READ_BLOCKS = 256, 8  # a block's threads, blocks a multiprocessor: as many as fit
_REFUSALS = (ImportError, OSError, RuntimeError, AttributeError, TypeError, MemoryError)
"""What libraries raise for a type that they or the device cannot do, or that there is no room for."""


class _Copy(CudaKernel):
    """The driver's device-to-device copy of random bytes."""

    def __init__(self, device: Device) -> None:
        values = np.random.default_rng(0).integers(0, 2**63, COPY_BYTES // 8)
        super().__init__(device, {"x": values}, {"y": Output((COPY_BYTES // 8,), np.int64)})

    def launch_on(self, arrays: Arrays) -> None:
        arrays["y"].data.copy_from_device_async(arrays["x"].data, COPY_BYTES)

    def output(self) -> object:
        return self.array("y")


class Read(CudaKernel):
    """Random words, read once and summed."""

    def __init__(self, device: Device) -> None:
        self.values = np.random.default_rng(0).integers(0, 2**32, COPY_BYTES // 4, dtype=np.uint32)
        blocks = _READ_BLOCKS * session(device).multiprocessors
        super().__init__(device, {"x": self.values}, {"sums": Output((blocks * _READ_THREADS // 32,), np.uint32)})
        self._blocks, self._entry = blocks, self.session.kernel(Specialisation("common/read.cu"), "read")

    def launch_on(self, arrays: Arrays) -> None:
        count = np.uint64(COPY_BYTES // 16)
        self.session.launch(self._entry, self._blocks, _READ_THREADS, arrays["x"], count, arrays["sums"])

    def output(self) -> int:
        """The sum of all words, modulo 2^32."""
        return int(self.array("sums").sum(dtype=np.uint64)) % 2**32


@dataclass(frozen=True)
class _Type:
    """One product of cublasGemmEx: CUDA's types, how operands are made from f32 values and stored, and the output's type."""

    arithmetic: str
    types: cublas.Types
    encode: Callable[[NDArray[np.float32]], NDArray[Any]]
    output: Any


_TYPES: tuple[_Type, ...] = (
    _Type("f32", cublas.F32, lambda x: x, np.float32),
    _Type("tf32", cublas.TF32, lambda x: x, np.float32),
    _Type("f16", cublas.F16, lambda x: x.astype(np.float16), np.float16),
    _Type("bf16", cublas.BF16, lambda x: x.astype(ml_dtypes.bfloat16).view(np.uint16), np.uint16),
    _Type("int8", cublas.INT8, lambda x: np.rint(x * 32).clip(-127, 127).astype(np.int8), np.int32),
)


class _Product(CudaKernel):
    """``y = a bᵀ`` of square matrices by cuBLAS."""

    def __init__(self, device: Device, values: NDArray[np.float32], kind: _Type) -> None:
        operand = kind.encode(values)
        super().__init__(device, {"a": operand, "b": operand[::-1]}, {"y": Output(values.shape, kind.output)})
        self._gemm = cublas.Gemm(self.session, kind.types)

    def launch_on(self, arrays: Arrays) -> None:
        self._gemm(arrays["a"], arrays["b"], arrays["y"])


class _Fp8Product(CudaKernel):
    """``y = a bᵀ`` in fp8_e4m3, bf16 out, by torch (cuBLASLt, which cupy does not wrap), on the session's stream."""

    def __init__(self, device: Device, values: NDArray[np.float32]) -> None:
        torch = importlib.import_module("torch")  # a peer, used where it is installed
        operand = values.astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
        super().__init__(device, {"a": operand, "b": operand[::-1]}, {"y": Output(values.shape, np.uint16)})
        self._torch: Any = torch
        self._place = torch.device("cuda", self.session.cuda.device_id)
        self._stream = torch.cuda.ExternalStream(int(self.session.stream.handle), device=self._place)
        with torch.cuda.stream(self._stream):
            self._one = torch.ones((), device=self._place)

    def launch_on(self, arrays: Arrays) -> None:
        torch = self._torch
        with torch.cuda.stream(self._stream):
            a, b, y = (torch.as_tensor(arrays[name], device=self._place) for name in ("a", "b", "y"))
            torch._scaled_mm(
                a.view(torch.float8_e4m3fn),
                b.view(torch.float8_e4m3fn).t(),
                scale_a=self._one,
                scale_b=self._one,
                out_dtype=torch.bfloat16,
                use_fast_accum=True,
                out=y.view(torch.bfloat16),
            )


@functools.cache
def copy_bandwidth(device: Device) -> float:
    """Bytes a second, read and written, of a copy of 256 MiB on cold caches; the median, measured once a process."""
    return 2 * COPY_BYTES / time_launch(_Copy(device), _MEASURE).time_s


def read_bandwidth(device: Device) -> float:
    """Bytes a second of reading 256 MiB on cold caches; the median."""
    return COPY_BYTES / time_launch(Read(device), _MEASURE).time_s


def product_rates(device: Device, side: int = _SIDE) -> tuple[Rate, ...]:
    """Rates of square products of normal values; types that the device or a library refuses are left out."""
    values = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32)
    makers: dict[str, Callable[[], CudaKernel]] = {
        **{kind.arithmetic: functools.partial(_Product, device, values, kind) for kind in _TYPES},
        "fp8": functools.partial(_Fp8Product, device, values),
    }
    measured = (_rate(arithmetic, make, side) for arithmetic, make in makers.items())
    return tuple(rate for rate in measured if rate is not None)


def _rate(arithmetic: str, make: Callable[[], CudaKernel], side: int) -> Rate | None:
    try:
        timing = time_launch(make(), _MEASURE)
    except _REFUSALS:
        return None
    return Rate(arithmetic, 2 * side**3 / timing.time_s, median_of(timing.states, "sm_clock_hz"))


@functools.cache
def peaks(device: Device) -> Peaks | None:
    """The device's peaks, from the cache or measured now (seconds), once a process. None where that fails (no room for
    the buffers, say): no case is to be lost for it, and ``harness doctor --peaks`` says what is wrong."""
    try:
        return load_peaks(*identity(device)) or measure_peaks(device)
    except Exception:
        return None


def warm_up(device: Device) -> None:
    """What would else count as a first case's time: the context, and the peaks where they were never measured."""
    session(device)
    peaks(device)


def measure_peaks(device: Device) -> Peaks:
    """Measure now, whatever the cache holds, and keep the outcome there. Raises DataError where it cannot be written."""
    import cupy

    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = Peaks(*identity(device), now, copy_bandwidth(device), read_bandwidth(device), product_rates(device))
    cupy.get_default_memory_pool().free_all_blocks()
    store_peaks(made)
    return made


def identity(device: Device) -> tuple[str, str]:
    """What peaks are kept by: the device's UUID (of a MIG instance with its profile: it may be the whole card's) and the
    driver's CUDA version."""
    from cuda.core import Device as CudaDevice

    uuid = str(CudaDevice(int(device.name.partition(":")[2])).uuid)
    _, _, profile = device.model.partition(" MIG ")
    found = driver()
    return f"{uuid} {profile}".strip(), found.spelled if found is not None else "none"

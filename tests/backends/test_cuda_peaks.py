"""Measured peaks of a CUDA device, without one: what is left out, what is kept, and how operands are made."""

from __future__ import annotations

import numpy as np
import pytest

import harness.backends.cuda.peaks as module
from harness.device import Device
from harness.kernels.specialisation import Specialisation
from harness.peaks import Peaks, Rate, load_peaks
from harness.timing import MachineState, Round, StopReason, Timing

DEVICE = Device("cuda:0", "cuda", "NVIDIA H200", "sm_90a", 1 << 40)


@pytest.fixture
def timed(monkeypatch):
    """Every launch takes 1 ms at 1.5 GHz; int8 and fp8 are refused. Names of what was made."""
    made = []

    def product(device, values, kind):
        made.append(kind.arithmetic)
        if kind.arithmetic == "int8":
            raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")

    def fp8(device, values):
        made.append("fp8")
        raise ModuleNotFoundError("No module named 'torch'")

    rounds = [Round(np.full(3, 1e-3), state=MachineState(sm_clock_hz=1.5e9))]
    monkeypatch.setattr(module, "_Product", product)
    monkeypatch.setattr(module, "_Fp8Product", fp8)
    monkeypatch.setattr(module, "time_launch", lambda kernel, measure: Timing.of(rounds, StopReason.NOISE))
    return made


def test_what_is_refused_is_left_out(timed):
    rates = module.product_rates(DEVICE, side=16)
    assert timed == ["f32", "tf32", "f16", "bf16", "int8", "fp8"]
    assert [rate.arithmetic for rate in rates] == ["f32", "tf32", "f16", "bf16"]
    assert rates[0] == Rate("f32", pytest.approx(2 * 16**3 / 1e-3), 1.5e9)


def test_a_fault_of_the_device_is_no_refusal(timed, monkeypatch):
    class CUDAError(Exception):
        pass

    def broken(kernel, measure):
        raise CUDAError("an illegal memory access was encountered")

    monkeypatch.setattr(module, "time_launch", broken)
    with pytest.raises(CUDAError):
        module.product_rates(DEVICE, side=16)


@pytest.mark.parametrize("kind", module._TYPES, ids=lambda kind: kind.arithmetic)
def test_operands_keep_their_values_in_the_type(kind):
    values = np.random.default_rng(0).standard_normal((32, 32), dtype=np.float32)
    encoded = kind.encode(values)
    assert encoded.dtype.itemsize == {"f32": 4, "tf32": 4, "f16": 2, "bf16": 2, "int8": 1}[kind.arithmetic]
    decoded = {
        "bf16": lambda: (encoded.astype(np.uint32) << 16).view(np.float32),
        "int8": lambda: encoded.astype(np.float32) / 32,
    }.get(kind.arithmetic, lambda: encoded.astype(np.float32))()
    assert np.abs(decoded - values).max() < 0.02
    assert len(np.unique(encoded)) > 100


def test_peaks_are_measured_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    measured = []

    def measure(device):
        measured.append(device)
        made = Peaks(*module.identity(device), "2026-01-01T00:00:00+00:00", 4e12, 4.5e12, (Rate("f16", 8e14),))
        module.store_peaks(made)
        return made

    monkeypatch.setattr(module, "measure_peaks", measure)
    monkeypatch.setattr(module, "identity", lambda device: ("GPU-1", "13.0"))
    module.peaks.cache_clear()
    first = module.peaks(DEVICE)
    module.peaks.cache_clear()  # as in another process
    assert module.peaks(DEVICE) == first == load_peaks("GPU-1", "13.0")
    assert measured == [DEVICE]
    module.peaks.cache_clear()


def test_the_read_kernel_loads_16_bytes_at_a_time(monkeypatch, tmp_path):
    import subprocess

    from cuda import pathfinder

    from harness.backends.cuda.compiler import cubin

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    tool = pathfinder.find_nvidia_binary_utility("cuobjdump")
    assert tool is not None
    path = cubin(Specialisation("common/read.cu"), "sm_90a")
    sass = subprocess.run([tool, "-sass", str(path)], capture_output=True, text=True, check=True).stdout
    loads = [line for line in sass.splitlines() if "LDG" in line]
    assert len(loads) > 1 and all(".128" in line for line in loads)

"""The state of a GPU as NVML tells it, against a fake: which GPU is meant, units, names, and what is not told."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pynvml
import pytest
from fake_nvml import ANSWERS, BUS_IDS, CPU, GPU, SECOND

import harness.backends.cuda.nvml as nvml
from harness.backends.cuda.gpu_facts import GpuFacts, facts, other_processes
from harness.backends.cuda.nvml import absence, energy_j, gpu, state, throttle_reasons
from harness.device import Device
from harness.timing import MachineState


def _instant_power(milliwatts: int, code: int = pynvml.NVML_SUCCESS) -> Any:
    field = pynvml.c_nvmlFieldValue_t()
    field.nvmlReturn, field.value.uiVal = code, milliwatts
    return [field]


def test_state_in_si_units(nvml_of):
    nvml_of(ANSWERS)
    assert state(GPU) == MachineState(1.755e9, 2.619e9, 412.5, 61.0, ("sw_power_cap",))
    assert energy_j(GPU) == 1234.567
    assert absence() is None


def test_the_gpu_is_the_one_that_cuda_means(nvml_of):
    nvml_of({"nvmlDeviceGetUUID": "GPU-3b"}, {"nvmlDeviceGetUUID": "GPU-1a"})
    assert (facts(GPU).uuid, facts(SECOND).uuid) == ("GPU-3b", "GPU-1a")


@pytest.mark.parametrize("left_out", [name for name in ANSWERS if "Get" in name])
def test_what_is_not_supported_costs_only_itself(nvml_of, left_out):
    nvml_of(ANSWERS)
    whole = (state(GPU), facts(GPU), energy_j(GPU))
    nvml_of({name: answer for name, answer in ANSWERS.items() if name != left_out})
    found = (state(GPU), facts(GPU), energy_j(GPU))
    assert other_processes(GPU) == ()
    before, after = _values(whole), _values(found)
    changed = {name for name in before if before[name] != after[name]}
    assert len(changed) == {
        "nvmlDeviceGetClockInfo": 2,
        "nvmlDeviceGetApplicationsClock": 2,
        "nvmlDeviceGetComputeRunningProcesses_v3": 0,
    }.get(left_out, 1)
    assert all(after[name] in (None, ()) for name in changed)


def _values(found: tuple[MachineState, GpuFacts, float | None]) -> dict[str, Any]:
    return {**dataclasses.asdict(found[0]), **dataclasses.asdict(found[1]), "energy_j": found[2]}


def test_a_gpu_that_tells_nothing(nvml_of):
    nvml_of({})
    assert (state(GPU), facts(GPU), energy_j(GPU), other_processes(GPU)) == (MachineState(), GpuFacts(), None, ())


def test_a_gpu_that_falls_off_the_bus_stops_nothing(nvml_of):
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    nvml_of(dict.fromkeys(ANSWERS, lost))
    assert (state(GPU), energy_j(GPU)) == (MachineState(), None)


@pytest.mark.parametrize(
    ("newer", "older", "name"),
    [
        ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", "temperature_c"),
        (
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetCurrentClocksThrottleReasons",
            "throttle_reasons",
        ),
    ],
)
def test_older_drivers_are_asked_in_their_words(nvml_of, newer, older, name):
    answer = {"temperature_c": 55, "throttle_reasons": 0x40}[name]
    expected = {"temperature_c": 55.0, "throttle_reasons": ("hw_thermal_slowdown",)}[name]
    for only in (newer, older):
        fake = nvml_of({only: answer})
        assert getattr(state(GPU), name) == expected
        assert (older in fake.called) == (only == older)


@pytest.mark.parametrize(
    ("field", "watts"),
    [
        (_instant_power(500_250), 500.25),
        (_instant_power(0, pynvml.NVML_ERROR_NOT_SUPPORTED), 412.5),
    ],
)
def test_power_of_the_moment_goes_before_the_mean(nvml_of, field, watts):
    nvml_of({**ANSWERS, "nvmlDeviceGetFieldValues": field})
    assert state(GPU).power_w == watts


@pytest.mark.parametrize(
    ("events", "names"),
    [
        (pynvml.nvmlClocksEventReasonNone, ()),
        (pynvml.nvmlClocksEventReasonGpuIdle, ()),
        (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, ()),
        (pynvml.nvmlClocksEventReasonSwPowerCap, ("sw_power_cap",)),
        (pynvml.nvmlClocksEventReasonHwSlowdown, ("hw_slowdown",)),
        (pynvml.nvmlClocksEventReasonSyncBoost, ("sync_boost",)),
        (pynvml.nvmlClocksEventReasonSwThermalSlowdown, ("sw_thermal_slowdown",)),
        (pynvml.nvmlClocksEventReasonHwThermalSlowdown, ("hw_thermal_slowdown",)),
        (pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown, ("hw_power_brake",)),
        (pynvml.nvmlClocksEventReasonDisplayClockSetting, ("display_clock_setting",)),
        (0x200, ("board_limit",)),
        (0x400, ("reliability",)),
        (0x1 | 0x8 | 0x40, ("hw_slowdown", "hw_thermal_slowdown")),
        (0x4 | 0x3000, ("sw_power_cap", "0x3000")),
    ],
)
def test_names_of_what_holds_the_clocks_down(events, names):
    assert throttle_reasons(events) == names


def test_nothing_is_changed_and_nvml_is_opened_once(nvml_of):
    fake = nvml_of(ANSWERS)
    for device in (GPU, GPU, SECOND):
        state(device), facts(device), energy_j(device), other_processes(device)
    assert fake.called.count("nvmlInit") == 1
    assert [name for name in fake.called if not name.startswith(("nvmlInit", "nvmlDeviceGet", "nvmlSystemGet"))] == []


def test_other_devices_do_not_open_nvml(nvml_of):
    fake = nvml_of(ANSWERS)
    assert (state(CPU), facts(CPU), energy_j(CPU), other_processes(CPU)) == (MachineState(), GpuFacts(), None, ())
    assert fake.called == []


def _nothing_is_known() -> None:
    assert (state(GPU), facts(GPU), energy_j(GPU), other_processes(GPU)) == (MachineState(), GpuFacts(), None, ())


def test_without_the_package(nvml_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    _nothing_is_known()
    assert absence() == (
        "nvidia-ml-py: must be installed to read clocks, power and temperature (got: nothing); pip install nvidia-ml-py"
    )


def test_without_the_library(nvml_of):
    nvml_of(ANSWERS, init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    _nothing_is_known()
    assert absence() == (
        "NVML: must start to read clocks, power and temperature (got: NVML Shared Library Not Found); "
        "install the driver's libnvidia-ml.so.1, or give the container the driver capability 'utility'"
    )


def test_a_gpu_that_nvml_does_not_show(nvml_of, monkeypatch):
    nvml_of(ANSWERS)
    monkeypatch.setitem(BUS_IDS, GPU.name, "0000:FF:00.0")
    _nothing_is_known()
    assert gpu(GPU) is None


def test_a_device_that_cuda_does_not_know(nvml_of, monkeypatch):
    def fails(device: Device) -> str:
        raise ValueError("device_id must be within [0, 1), got 7")

    nvml_of(ANSWERS)
    monkeypatch.setattr(nvml, "pci_bus_id", fails)
    _nothing_is_known()

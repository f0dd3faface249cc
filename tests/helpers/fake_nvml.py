"""A fake of the module pynvml, and two GPUs that it knows."""

from __future__ import annotations

import dataclasses
from typing import Any

import pynvml

from harness.device import Device

GPU = Device("cuda:0", "cuda", "NVIDIA H100", "sm_90a", 70 << 30)
SECOND = dataclasses.replace(GPU, name="cuda:1")
CPU = Device("cpu", "cpu", "a CPU", "x86_64", 1 << 30)
BUS_IDS = {"cuda:0": "0000:3B:00.0", "cuda:1": "0000:1A:00.0"}  # as CUDA counts; NVML counts by bus id

ANSWERS: dict[str, Any] = {
    "nvmlSystemGetDriverVersion": "580.159.04",
    "nvmlSystemGetNVMLVersion": "13.580.159.04",
    "nvmlDeviceGetUUID": "GPU-3b",
    "nvmlDeviceGetClockInfo": {pynvml.NVML_CLOCK_SM: 1755, pynvml.NVML_CLOCK_MEM: 2619},
    "nvmlDeviceGetMaxClockInfo": {pynvml.NVML_CLOCK_SM: 1980},
    "nvmlDeviceGetApplicationsClock": {pynvml.NVML_CLOCK_GRAPHICS: 1980, pynvml.NVML_CLOCK_MEM: 2619},
    "nvmlDeviceGetPowerUsage": 412_500,
    "nvmlDeviceGetTemperature": {pynvml.NVML_TEMPERATURE_GPU: 61},
    "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
    "nvmlDeviceGetTotalEnergyConsumption": 1_234_567,
    "nvmlDeviceGetEccMode": [1, 0],
    "nvmlDeviceGetMigMode": [0, 1],
    "nvmlDeviceGetPersistenceMode": 0,
    "nvmlDeviceGetComputeMode": pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS,
    "nvmlDeviceGetEnforcedPowerLimit": 650_000,
    "nvmlDeviceGetPowerManagementLimitConstraints": [200_000, 700_000],
    "nvmlDeviceGetComputeRunningProcesses_v3": [],
}


class FakeNvml:
    """The module pynvml with GPUs by PCI bus id. A function without an answer is not supported; an answer that is a
    mapping is chosen by the last argument. Names are those of pynvml itself, and ``called`` keeps them."""

    NVMLError = pynvml.NVMLError

    def __init__(self, gpus: dict[str, dict[str, Any]], init_error: int | None = None) -> None:
        self._gpus, self._init_error = gpus, init_error
        self._system = {name: answer for each in gpus.values() for name, answer in each.items()}
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        known = getattr(pynvml, name)
        return self._function(name) if callable(known) else known

    def nvmlInit(self) -> None:
        self.called.append("nvmlInit")
        if self._init_error is not None:
            raise pynvml.NVMLError(self._init_error)

    def nvmlDeviceGetHandleByPciBusId(self, bus_id: str) -> str:
        if bus_id not in self._gpus:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return bus_id

    def _function(self, name: str) -> Any:
        def call(handle: str | None = None, *arguments: Any) -> Any:
            self.called.append(name)
            answers = self._gpus[handle] if handle is not None else self._system
            if name not in answers:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            answer = answers[name]
            if isinstance(answer, pynvml.NVMLError):
                raise answer
            return answer[arguments[-1]] if isinstance(answer, dict) else answer

        return call

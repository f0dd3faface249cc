"""What of a GPU stays the same during a run, as NVML tells it: identity, modes and limits; and who else uses the GPU."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.cuda.nvml import Gpu, from_milli, gpu, hertz
from harness.device import Device

_COMPUTE_MODES = {0: "default", 1: "exclusive_thread", 2: "prohibited", 3: "exclusive_process"}
"""nvmlComputeMode_t → its name here."""


@dataclass(frozen=True)
class GpuFacts:
    """One GPU's identity, modes and limits. None: not told. ``driver_version`` is the kernel driver's (580.159.04);
    ``power_limit_w`` is in force, ``max_power_limit_w`` what an administrator can raise it to."""

    uuid: str | None = None
    driver_version: str | None = None
    nvml_version: str | None = None
    ecc: bool | None = None
    mig: bool | None = None
    persistence: bool | None = None
    compute_mode: str | None = None
    power_limit_w: float | None = None
    max_power_limit_w: float | None = None
    max_sm_clock_hz: float | None = None
    applications_sm_clock_hz: float | None = None
    applications_memory_clock_hz: float | None = None


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU. ``memory_bytes``: device memory in use, None where it is not told."""

    pid: int
    memory_bytes: int | None


@functools.cache
def facts(device: Device) -> GpuFacts:
    """What NVML says of ``device``. Never raises; where NVML does not know the device, every fact is None."""
    found = gpu(device)
    if found is None:
        return GpuFacts()
    api = found.api
    limits = found.ask("nvmlDeviceGetPowerManagementLimitConstraints")
    power_limit = found.ask("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit")
    return GpuFacts(
        uuid=found.ask("nvmlDeviceGetUUID"),
        driver_version=found.ask_system("nvmlSystemGetDriverVersion"),
        nvml_version=found.ask_system("nvmlSystemGetNVMLVersion"),
        ecc=_current(found.ask("nvmlDeviceGetEccMode")),
        mig=_current(found.ask("nvmlDeviceGetMigMode")),
        persistence=_flag(found.ask("nvmlDeviceGetPersistenceMode")),
        compute_mode=_COMPUTE_MODES.get(found.ask("nvmlDeviceGetComputeMode")),
        power_limit_w=from_milli(power_limit),
        max_power_limit_w=None if limits is None else from_milli(limits[1]),
        max_sm_clock_hz=hertz(found.ask("nvmlDeviceGetMaxClockInfo", given=(api.NVML_CLOCK_SM,))),
        applications_sm_clock_hz=_applications_clock(found, api.NVML_CLOCK_GRAPHICS),
        applications_memory_clock_hz=_applications_clock(found, api.NVML_CLOCK_MEM),
    )


def _applications_clock(found: Gpu, clock: int) -> float | None:
    return hertz(found.ask("nvmlDeviceGetApplicationsClock", given=(clock,)))


def _current(modes: Any) -> bool | None:
    """NVML gives the mode now and the one after the next reset."""
    return None if modes is None else bool(modes[0])


def _flag(mode: int | None) -> bool | None:
    return None if mode is None else bool(mode)


def is_own(pid: int) -> bool:
    """Whether ``pid`` is this process, its parent or its child: a run's workers and who started them."""
    return pid in (os.getpid(), os.getppid()) or _parent(pid) == os.getpid()


def _parent(pid: int) -> int | None:
    """Second field after the command's name in /proc/PID/stat (proc(5)); None where that cannot be read."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(status.rpartition(b")")[2].split()[1])


def other_processes(device: Device, own: Callable[[int], bool] = is_own) -> tuple[GpuProcess, ...]:
    """Processes that compute on ``device`` and are not ``own``; empty where NVML does not tell.

    In a container NVML may hide other containers' processes, or number all as the host does. Own ones are not known by the
    host's numbers: ask before this run uses the device.
    """
    found = gpu(device)
    listed = None if found is None else found.ask("nvmlDeviceGetComputeRunningProcesses_v3")
    return tuple(GpuProcess(each.pid, each.usedGpuMemory) for each in listed or () if not own(each.pid))

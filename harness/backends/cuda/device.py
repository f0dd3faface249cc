"""CUDA devices as planning knows them. Nothing is initialised where there is no driver or no GPU."""

from __future__ import annotations

import functools
from typing import Any

from harness.backends.cpu.device import memory_limit
from harness.backends.cuda.probe import problem
from harness.device import Device

_MEMORY_SHARE = 0.9  # the rest is for the context, loaded code and libraries
_HOST_SHARE = 0.8  # operands and references are made on the host
_ARCHITECTURE_SPECIFIC = 9
"""From compute capability 9.0 on, wgmma, TMA's relatives and tcgen05 exist in the architecture-specific target only."""


def absence() -> str | None:
    """Why there is no CUDA device to use, with the remedy; None where there is one."""
    return problem()


@functools.cache
def devices() -> tuple[Device, ...]:
    """The CUDA devices that this installation can drive."""
    if problem() is not None:
        return ()
    from cuda.core import Device as CudaDevice

    host = int(memory_limit() * _HOST_SHARE)
    return tuple(_describe(each, host) for each in CudaDevice.get_all_devices())


def _describe(device: Any, host_bytes: int) -> Device:
    capability = device.compute_capability
    return Device(
        f"cuda:{device.device_id}",
        "cuda",
        device.name,
        architecture_name(capability.major, capability.minor),
        min(int(_total_memory(device.device_id) * _MEMORY_SHARE), host_bytes),
    )


def architecture_name(major: int, minor: int) -> str:
    """What code is compiled for: ``sm_89``, ``sm_90a``."""
    return f"sm_{major}{minor}" + ("a" if major >= _ARCHITECTURE_SPECIFIC else "")


def _total_memory(index: int) -> int:
    from cuda.bindings import driver

    error, total = driver.cuDeviceTotalMem(index)
    return int(total) if int(error) == 0 else 0

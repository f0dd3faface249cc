"""Backends: what runs kernels. One row per backend; each finds its devices and times launches on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.backends.cpu.device import devices as cpu_devices
from harness.device import Device
from harness.errors import DeviceError, did_you_mean


@dataclass(frozen=True)
class Backend:
    """One backend. ``devices`` lists what is there; ``timer`` is ``module:attribute`` of its timing function."""

    name: str
    devices: Callable[[], tuple[Device, ...]]
    timer: str


BACKENDS: dict[str, Backend] = {
    row.name: row for row in (Backend("cpu", cpu_devices, "harness.backends.cpu.timing:time_launch"),)
}
"""In order of preference, last resort last."""


def find_device(wanted: str) -> Device:
    """The device of that name; ``auto`` is the first device of the first backend that has one.

    Raises DeviceError for a device that is not there, saying which ones are.
    """
    found = [device for row in BACKENDS.values() for device in row.devices()]
    if wanted == "auto":
        return found[0]
    for device in found:
        if device.name == wanted:
            return device
    names = [device.name for device in found]
    if wanted == "cuda" or wanted.startswith("cuda:"):
        raise DeviceError(
            f"--device: must be a device that is here (got {wanted}); this version has no CUDA backend, use --device cpu"
        )
    raise DeviceError(f"--device: must be a device that is here (got {wanted!r}); {did_you_mean(wanted, names)}")

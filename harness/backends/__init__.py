"""Backends: what runs kernels. One row per backend; each finds its devices and times launches on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.backends.cpu.device import devices as cpu_devices
from harness.backends.cuda.device import absence as cuda_absence
from harness.backends.cuda.device import devices as cuda_devices
from harness.device import Device
from harness.errors import DeviceError, did_you_mean
from harness.kernels.spec import load_attribute


@dataclass(frozen=True)
class Backend:
    """One backend. ``devices`` lists what is there, ``absence`` says why nothing is, with the remedy.

    The others are ``module:attribute``, imported where they are needed, empty where there is no such thing: ``timer`` times
    a kernel, ``stopwatch`` makes what it is timed with; ``warm_up`` reaches for a device before a worker's first case;
    ``prepare`` takes cases and makes ahead of a run what can be made without a device; ``product`` multiplies float64
    matrices on the device, for references, and ``evaluate`` other functions of arrays; ``usable`` says whether a device still answers after a case has failed;
    ``peaks`` measures (once a device and driver) what kernels are held against; ``floor`` is the least time that the data
    sheet allows; ``energy`` measures the energy of a launch; ``mark`` names a range on a profiler's timeline.
    """

    name: str
    devices: Callable[[], tuple[Device, ...]]
    absence: Callable[[], str | None]
    timer: str
    stopwatch: str
    warm_up: str = ""
    prepare: str = ""
    product: str = ""
    evaluate: str = ""
    usable: str = ""
    peaks: str = ""
    floor: str = ""
    identity: str = ""
    energy: str = ""
    mark: str = ""

    def is_usable(self, device: Device) -> bool:
        """Whether this process can go on using ``device``."""
        return not self.usable or bool(load_attribute(self.usable)(device))


BACKENDS: dict[str, Backend] = {
    row.name: row
    for row in (
        Backend(
            "cuda",
            cuda_devices,
            cuda_absence,
            timer="harness.backends.cuda.timing:time_launch",
            stopwatch="harness.backends.cuda.timing:stopwatch",
            warm_up="harness.backends.cuda.peaks:warm_up",
            prepare="harness.backends.cuda.ahead:compile_ahead",
            product="harness.backends.cuda.product:product",
            evaluate="harness.backends.cuda.product:evaluate",
            usable="harness.backends.cuda.session:is_usable",
            peaks="harness.backends.cuda.peaks:peaks",
            floor="harness.backends.cuda.floor:floor_s",
            identity="harness.backends.cuda.peaks:identity",
            energy="harness.backends.cuda.energy:energy_of",
            mark="harness.backends.cuda.nvtx:nvtx_range",
        ),
        Backend(
            "cpu",
            cpu_devices,
            lambda: None,
            timer="harness.backends.cpu.timing:time_launch",
            stopwatch="harness.backends.cpu.timing:stopwatch",
            peaks="harness.backends.cpu.peaks:known_peaks",
        ),
    )
}
"""In order of preference, last resort last."""


def find_device(wanted: str) -> Device:
    """The device of that name; ``auto`` is the first device of the first backend that has one, and the name of a backend
    its first device.

    Raises DeviceError for a device that is not there, saying which ones are.
    """
    found = [device for row in BACKENDS.values() for device in row.devices()]
    for device in found:
        if wanted in ("auto", device.name, device.backend):
            return device
    backend = BACKENDS.get(wanted.partition(":")[0])
    if backend is not None and (absence := backend.absence()):
        raise DeviceError(f"--device: must be a device that is here (got {wanted}: {absence}); or use --device cpu")
    names = [device.name for device in found]
    raise DeviceError(f"--device: must be a device that is here (got {wanted!r}); {did_you_mean(wanted, names)}")

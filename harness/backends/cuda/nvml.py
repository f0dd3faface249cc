"""The state of a GPU while kernels run, as NVML tells it: clocks, power, temperature, and what holds the clocks down.

NVML is only read: nothing here changes a clock, a limit or a mode. A query that the GPU, its driver or a container refuses
gives None. Functions, units and bits: NVML API reference (nvml.h).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from harness.device import Device
from harness.timing.stopwatch import MachineState

_NO_THROTTLING = 0x1 | 0x2
"""An idle GPU, and applications clocks: the one runs nothing, the other is what an administrator asked for."""
_THROTTLE_REASONS: dict[int, str] = {
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
"""Bit of nvmlClocksEventReasons → its name here."""


@dataclass(frozen=True)
class Library:
    """NVML as this process has it: ``api`` is the module pynvml, initialised; or ``absence`` says why there is none."""

    api: Any = None
    absence: str | None = None


@dataclass(frozen=True, eq=False)
class Gpu:
    """One GPU as NVML knows it: the module pynvml and the GPU's handle in it."""

    api: Any
    handle: Any

    def ask(self, *functions: str, given: tuple[Any, ...] = ()) -> Any:
        """Answer of the first of ``functions`` that gives one, called with the handle and ``given``; None where none
        does. Several: newer drivers have the first, older ones the second."""
        return _first_answer(self.api, functions, (self.handle, *given))

    def ask_system(self, function: str) -> Any:
        """The same of a function that takes no GPU."""
        return _first_answer(self.api, (function,), ())


def _first_answer(api: Any, functions: tuple[str, ...], arguments: tuple[Any, ...]) -> Any:
    for function in functions:
        try:
            return getattr(api, function)(*arguments)
        except api.NVMLError:
            continue
    return None


@functools.cache
def library() -> Library:
    """NVML, opened once a process."""
    try:
        import pynvml
    except ImportError:
        return Library(
            absence="nvidia-ml-py: must be installed to read clocks, power and temperature (got: nothing); "
            "pip install nvidia-ml-py"
        )
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Library(
            absence=f"NVML: must start to read clocks, power and temperature (got: {error}); "
            "install the driver's libnvidia-ml.so.1, or give the container the driver capability 'utility'"
        )
    return Library(pynvml)


def absence() -> str | None:
    """Why nothing is known of the state of GPUs, with the remedy; None where NVML answers."""
    return library().absence


@functools.cache
def gpu(device: Device) -> Gpu | None:
    """The GPU that CUDA means by ``device``; None where NVML does not show it.

    CUDA and NVML may count GPUs differently (CUDA_VISIBLE_DEVICES, for one), so that the PCI bus id decides.
    """
    api = library().api if device.backend == "cuda" else None
    if api is None:
        return None
    try:
        return Gpu(api, api.nvmlDeviceGetHandleByPciBusId(pci_bus_id(device)))
    except Exception:  # of NVML or of cuda.core: either way nothing is known, and that must stop no measurement
        return None


def pci_bus_id(device: Device) -> str:
    """``0000:3B:00.0``, as CUDA tells it. Makes no context."""
    from cuda.core import Device as CudaDevice

    return str(CudaDevice(int(device.name.partition(":")[2])).pci_bus_id)


def state(device: Device) -> MachineState:
    """The GPU at this moment. Never raises; what is not told is None.

    Power is that of the last fraction of a second where the GPU tells it, otherwise NVML's mean (over the last second on
    most GPUs since Ampere).
    """
    found = gpu(device)
    if found is None:
        return MachineState()
    api = found.api
    events = found.ask("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
    sensor = (api.NVML_TEMPERATURE_GPU,)
    temperature = found.ask("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", given=sensor)
    return MachineState(
        sm_clock_hz=hertz(found.ask("nvmlDeviceGetClockInfo", given=(api.NVML_CLOCK_SM,))),
        memory_clock_hz=hertz(found.ask("nvmlDeviceGetClockInfo", given=(api.NVML_CLOCK_MEM,))),
        power_w=_power_w(found),
        temperature_c=None if temperature is None else float(temperature),
        throttle_reasons=throttle_reasons(events or 0),
    )


def energy_j(device: Device) -> float | None:
    """Joules that the GPU has used since its driver was loaded; None where it does not count them (before Volta)."""
    found = gpu(device)
    return None if found is None else from_milli(found.ask("nvmlDeviceGetTotalEnergyConsumption"))


def throttle_reasons(events: int) -> tuple[str, ...]:
    """Names of the bits that NVML sets for what holds the clocks down. An idle GPU is none, nor are clocks that
    an administrator chose. Bits that have no name here
    come together as one hexadecimal number."""
    unnamed = events & ~_NO_THROTTLING
    names = []
    for bit, name in _THROTTLE_REASONS.items():
        if events & bit:
            names.append(name)
            unnamed &= ~bit
    return (*names, hex(unnamed)) if unnamed else tuple(names)


def _power_w(found: Gpu) -> float | None:
    fields = found.ask("nvmlDeviceGetFieldValues", given=([found.api.NVML_FI_DEV_POWER_INSTANT],))
    if fields is not None and fields[0].nvmlReturn == found.api.NVML_SUCCESS:
        return from_milli(fields[0].value.uiVal)
    return from_milli(found.ask("nvmlDeviceGetPowerUsage"))


def hertz(mhz: int | None) -> float | None:
    """MHz → Hz; None stays."""
    return None if mhz is None else mhz * 1e6


def from_milli(value: int | None) -> float | None:
    """mW → W, mJ → J; None stays."""
    return None if value is None else value / 1000

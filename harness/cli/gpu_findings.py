"""``harness doctor`` on GPUs: their state now, their modes and limits, who else uses them, and what would steady them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.backends.cuda.gpu_facts import GpuFacts, GpuProcess, facts, other_processes
from harness.backends.cuda.nvml import absence, gpu, state
from harness.cli.finding import Finding
from harness.cli.format import size
from harness.device import Device
from harness.timing import MachineState


def gpu_findings(devices: Iterable[Device]) -> Iterator[Finding]:
    """Lines for CUDA devices; a line that says why, where NVML does not answer."""
    for device in devices:
        if missing := absence():
            found, _, remedy = missing.rpartition("; ")
            yield Finding("gpu", "nvml", found, remedy)
            return
        if gpu(device) is None:
            yield Finding("gpu", device.name, "NVML does not show this GPU: no clocks, power and temperature")
            continue
        known = facts(device)
        yield Finding("gpu", f"{device.name} now", describe_state(state(device)))
        yield Finding("gpu", f"{device.name} modes", describe_facts(known))
        yield Finding("gpu", f"{device.name} steadier", steadier(known))
        if others := other_processes(device):
            remedy = "end them, or measure on another device: they change what is measured"
            yield Finding("gpu", f"{device.name} processes", describe_processes(others), remedy)


def describe_state(now: MachineState) -> str:
    """``SM 1980 MHz, memory 2619 MHz, 112 W, 34 °C``, and what holds the clocks down."""
    parts = [
        _part("SM {:.0f} MHz", now.sm_clock_hz, 1e6),
        _part("memory {:.0f} MHz", now.memory_clock_hz, 1e6),
        _part("{:.0f} W", now.power_w),
        _part("{:.0f} °C", now.temperature_c),
        f"clocks held down by {', '.join(now.throttle_reasons)}" if now.throttle_reasons else "",
    ]
    return _joined(parts)


def describe_facts(known: GpuFacts) -> str:
    """``driver 580.159.04, ECC on, MIG off, …``: what is told of it."""
    parts = [
        f"driver {known.driver_version}" if known.driver_version else "",
        *(
            f"{name} {'on' if value else 'off'}"
            for name, value in (("ECC", known.ecc), ("MIG", known.mig), ("persistence mode", known.persistence))
            if value is not None
        ),
        f"compute mode {known.compute_mode}" if known.compute_mode else "",
        _part("power limit {:.0f} W", known.power_limit_w),
        _part("SM clock at most {:.0f} MHz", known.max_sm_clock_hz, 1e6),
        _part("applications clocks: SM {:.0f} MHz", known.applications_sm_clock_hz, 1e6),
        _part("memory {:.0f} MHz", known.applications_memory_clock_hz, 1e6),
    ]
    return _joined(parts)


def steadier(known: GpuFacts) -> str:
    """What an administrator could set for steadier figures; the harness sets nothing."""
    tool = f"nvidia-smi -i {known.uuid}" if known.uuid else "nvidia-smi"
    most = _part(" (at most {:.0f})", known.max_sm_clock_hz, 1e6)
    steps = [
        f"an administrator could lock the SM clock at one that the GPU holds under load: {tool} -lgc MHZ{most}, undone by -rgc"
    ]
    if known.persistence is False:
        steps.append(f"keep the driver loaded between runs: {tool} -pm 1")
    limit, highest = known.power_limit_w, known.max_power_limit_w
    if limit is not None and highest is not None and limit < highest:
        steps.append(f"raise the power limit, which lowers clocks under load: {tool} -pl {highest:.0f}")
    return "; ".join([*steps, "the harness itself changes no clock and no limit"])


def describe_processes(others: tuple[GpuProcess, ...]) -> str:
    """``2 of others: 4321 (1.2 GiB), 8765``."""
    each = [str(one.pid) + (f" ({size(one.memory_bytes)})" if one.memory_bytes is not None else "") for one in others]
    return f"{len(others)} of others: {', '.join(each)}"


def _part(template: str, value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else template.format(value / unit)


def _joined(parts: list[str]) -> str:
    return ", ".join(filter(None, parts)) or "not told"

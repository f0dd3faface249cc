"""What else was true when a case ran: one row per column of the environment."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.backends.cpu.device import cores
from harness.backends.cpu.device import devices as cpu_devices
from harness.backends.cuda.gpu_facts import facts, other_processes
from harness.backends.cuda.probe import driver
from harness.device import Device
from harness.errors import CompileError


@dataclass(frozen=True)
class EnvironmentColumn:
    """One column; ``find`` gives its value for a device, None where it does not apply."""

    name: str
    doc: str
    find: Callable[[Device], str | None]


def version_of(package: str) -> str | None:
    """Installed version of a distribution, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(package: str) -> Callable[[Device], str | None]:
    return lambda device: version_of(package)


@functools.cache
def git_commit() -> str | None:
    """Commit of the checkout that this package lies in, with ``+`` where files differ from it; None outside one."""
    folder = Path(__file__).resolve().parent
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        if Path(top) != folder.parent:
            return None  # installed somewhere inside another project's checkout
        return _git(folder, "rev-parse", "--short=12", "HEAD") + ("+" if _git(folder, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=environment)
    return done.stdout.strip()


def cuda_driver(device: Device) -> str | None:
    """``13.0``; None on other devices."""
    found = driver() if device.backend == "cuda" else None
    return found.spelled if found is not None else None


def nvrtc(device: Device) -> str | None:
    """``13.0``; None on other devices, and where there is none."""
    if device.backend != "cuda":
        return None
    from harness.backends.cuda.compiler import nvrtc_version

    try:
        return ".".join(map(str, nvrtc_version()))
    except CompileError:
        return None


def _on_off(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def power_limit(device: Device) -> str | None:
    """Watts; None where it is not told."""
    watts = facts(device).power_limit_w
    return None if watts is None else f"{watts:g}"


def other_gpu_processes(device: Device) -> str | None:
    """``2 (4321, 8765)``; None where there are none, or none are told."""
    pids = [str(each.pid) for each in other_processes(device)]
    return f"{len(pids)} ({', '.join(pids)})" if pids else None


ENVIRONMENT: tuple[EnvironmentColumn, ...] = (
    EnvironmentColumn("gpu", "GPU model", lambda device: device.model if device.backend == "cuda" else None),
    EnvironmentColumn("cpu", "CPU model", lambda device: cpu_devices()[0].model),
    EnvironmentColumn("architecture", "instruction set architecture", lambda device: device.architecture),
    EnvironmentColumn(
        "cpu_features", "instruction sets that matter here", lambda device: " ".join(sorted(device.features))
    ),
    EnvironmentColumn("cpu_threads", "cores that the run could use", lambda device: str(cores())),
    EnvironmentColumn("os", "operating system", lambda device: platform.platform(terse=True)),
    EnvironmentColumn("python_version", "Python", lambda device: platform.python_version()),
    EnvironmentColumn("harness_version", "this package", _package("quantization-harness")),
    EnvironmentColumn("numpy_version", "NumPy", _package("numpy")),
    EnvironmentColumn("onnxruntime_version", "onnxruntime", _package("onnxruntime")),
    EnvironmentColumn("cuda_driver", "CUDA version that the driver supports", lambda device: cuda_driver(device)),
    EnvironmentColumn("driver_version", "NVIDIA driver", lambda device: facts(device).driver_version),
    EnvironmentColumn("nvml_version", "NVML", lambda device: facts(device).nvml_version),
    EnvironmentColumn("gpu_uuid", "the GPU itself, as NVML names it", lambda device: facts(device).uuid),
    EnvironmentColumn(
        "ecc", "error correction of the GPU's memory: on or off", lambda device: _on_off(facts(device).ecc)
    ),
    EnvironmentColumn("mig", "whether the GPU is divided (MIG): on or off", lambda device: _on_off(facts(device).mig)),
    EnvironmentColumn("power_limit_w", "power limit in force on the GPU (W)", lambda device: power_limit(device)),
    EnvironmentColumn(
        "other_gpu_processes",
        "number of others' processes that computed on the GPU when the run began, and their ids",
        lambda device: other_gpu_processes(device),
    ),
    EnvironmentColumn("nvrtc_version", "NVRTC that compiles the kernels", lambda device: nvrtc(device)),
    EnvironmentColumn("cuda_core_version", "cuda.core", _package("cuda-core")),
    EnvironmentColumn("cupy_version", "cupy", lambda device: version_of("cupy-cuda13x") or version_of("cupy-cuda12x")),
    EnvironmentColumn("git_commit", "commit of the checkout, + where changed", lambda device: git_commit()),
)


def environment_of(device: Device) -> dict[str, str | None]:
    """Every column of ENVIRONMENT, by name."""
    return {row.name: row.find(device) or None for row in ENVIRONMENT}

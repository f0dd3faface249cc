"""What of CUDA is here, without importing any of it: the driver (through its own library) and the installed packages."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import Any

LIBRARY = "libcuda.so.1"
_MINIMUM = {"cuda13": (13, 0), "cuda12": (12, 0)}
"""Extra → the lowest CUDA version that the driver must support (minor versions are compatible within a major one)."""
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver as it answers. ``version`` is the CUDA version that it supports; ``error`` a CUresult, or 0."""

    gpus: int
    version: tuple[int, int]
    error: int = 0

    @property
    def spelled(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


@functools.cache
def driver() -> Driver | None:
    """None where there is no driver."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    return ask_driver(library)


def ask_driver(library: Any) -> Driver:
    """Version and number of GPUs. A driver that finds no GPU is no error."""
    number, count = ctypes.c_int(0), ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(number))
    version = (number.value // 1000, number.value % 1000 // 10)
    error = int(library.cuInit(0))
    if error == 0:
        error = int(library.cuDeviceGetCount(ctypes.byref(count)))
    return Driver(count.value, version, 0 if error == _NO_DEVICE else error)


def installed_major() -> int | None:
    """Major version of the installed cuda-bindings; None without the packages of an extra."""
    for module in ("cuda.core", "cuda.bindings", "cupy"):
        try:
            if importlib.util.find_spec(module) is None:
                return None
        except ModuleNotFoundError:
            return None
    return int(importlib.metadata.version("cuda-bindings").partition(".")[0])


def absence(found: Driver | None, major: int | None) -> str | None:
    """Why there is no CUDA device to use, with the remedy; None where there is one. ``major``: ``installed_major()``."""
    if found is None:
        return f"no NVIDIA driver found ({LIBRARY})"
    if found.error:
        return (
            f"NVIDIA driver: must initialise (got CUDA error {found.error}); "
            "see that its kernel module is loaded and of the library's version (nvidia-smi), or reboot"
        )
    if not found.gpus:
        return "NVIDIA driver found, but no GPU; check CUDA_VISIBLE_DEVICES"
    gpus = f"{found.gpus} GPU{'s' if found.gpus > 1 else ''}"
    wanted = next((extra for extra, minimum in _MINIMUM.items() if found.version >= minimum), None)
    if wanted is None:
        return (
            f"NVIDIA driver: must support CUDA 12.0 or newer (got {found.spelled}, with {gpus}); "
            "update the driver to 525 or newer, 580 for CUDA 13"
        )
    if major is None:
        return (
            f"{gpus} found, but not the packages to use {'them' if found.gpus > 1 else 'it'}; pip install '.[{wanted}]'"
        )
    if found.version[0] < major:
        return (
            f"NVIDIA driver: must support CUDA {major}.0 for the installed packages (got {found.spelled}, with {gpus}); "
            f"update the driver, or pip install '.[{wanted}]' in a fresh environment"
        )
    return None


@functools.cache
def problem() -> str | None:
    """Why this machine has no CUDA device to use, or None."""
    found = driver()
    return absence(found, installed_major() if found is not None and found.gpus else None)

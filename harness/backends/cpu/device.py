"""The CPU as a device: model, instruction sets, memory."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from harness.cores import CORES
from harness.device import Device

_FLAGS = {"avx2": "avx2", "avx512f": "avx512f", "avx512_vnni": "vnni", "avx_vnni": "vnni"}
_MEMORY_SHARE = 0.8  # the rest is for the parent process and the system


@functools.cache
def devices() -> tuple[Device, ...]:
    """The one CPU device of this machine."""
    info = _cpuinfo()
    features = frozenset(feature for flag, feature in _FLAGS.items() if flag in info.get("flags", "").split())
    model = info.get("model name") or platform.processor() or platform.machine()
    return (Device("cpu", "cpu", model, platform.machine(), int(memory_limit() * _MEMORY_SHARE), features),)


def _cpuinfo() -> dict[str, str]:
    """The first processor's block of /proc/cpuinfo; empty where there is none."""
    try:
        block = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def memory_limit() -> int:
    """Bytes of memory this process may use: physical, or less where a cgroup says so."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return int(total)


def cores() -> int:
    """How many cores this process may run on."""
    return len(CORES)


def last_level_cache_bytes() -> int:
    """Size of the largest cache that Linux lists for the first core; 0 where it lists none."""
    found = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        if text.rstrip("KM").isdigit():
            found.append(int(text.rstrip("KM")) * unit)
    return max(found)

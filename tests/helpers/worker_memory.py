"""The memory that a run takes: of this process, of its worker, of the device."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.backends.cuda.nvml import gpu
from harness.device import Device


@dataclass(frozen=True)
class Memory:
    """Bytes after so many cases. ``worker`` is the process that was there, if there was one; ``worker_bytes`` is the least
    that it held after any of the cases since the last reading: what allocators keep for a while comes and goes by some
    percent, a leak stays. ``device`` is None on a CPU."""

    cases: int
    parent: int
    worker: int | None = None
    worker_bytes: int | None = None
    device: int | None = None


class Watch:
    """Looks at the worker after each case, and reads everything now and then."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._worker: int | None = None
        self._least: int | None = None

    def look(self) -> None:
        """See what the worker holds."""
        held = None if self._worker is None else _resident(self._worker)
        if held is None:
            self._worker, self._least = _worker(), None
            held = None if self._worker is None else _resident(self._worker)
        if held is not None:
            self._least = held if self._least is None else min(self._least, held)

    def read(self, cases: int) -> Memory:
        """After so many cases."""
        self.look()
        gpu_found = gpu(self._device)
        information = None if gpu_found is None else gpu_found.ask("nvmlDeviceGetMemoryInfo")
        used = None if information is None else int(information.used)
        made = Memory(cases, _resident(os.getpid()) or 0, self._worker, self._least, used)
        self._least = None
        return made


def _worker() -> int | None:
    """The worker of this process."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if _status(path, "PPid") == os.getpid() and b"harness.worker" in (path / "cmdline").read_bytes():
                return int(path.name)
        except OSError:  # it has just ended
            continue
    return None


def _resident(process: int) -> int | None:
    """Bytes; None where it has ended."""
    try:
        kibibytes = _status(Path("/proc") / str(process), "VmRSS")
    except OSError:
        return None
    return None if kibibytes is None else kibibytes << 10


def _status(process: Path, label: str) -> int | None:
    """A number that Linux tells of a process."""
    for line in (process / "status").read_text().splitlines():
        if line.startswith(f"{label}:"):
            return int(line.split()[1])
    return None


def mebibytes(size: int | None) -> str:
    """In words; a dash for None."""
    return "–" if size is None else f"{size / 2**20:.1f}"

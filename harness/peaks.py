"""What a device can reach: measured peaks kept on disk, and what they and the data sheet say about a time.

Two ceilings, never mixed: the *measured* peaks are what a good kernel is scored against (``bound``), the *data sheet's*
are what no kernel can beat (``physical_floor_s``).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.data.cache import cache_root, scratch_folder, unwritable

if TYPE_CHECKING:
    from harness.backends.cuda.datasheet import DataSheet

ARITHMETICS: dict[str, str] = {
    "f32": "products in f32 on the CUDA cores (or the CPU's vector units)",
    "tf32": "products in TF32 on the tensor units, sums in f32",
    "f16": "products of f16 on the tensor units, sums in f32",
    "bf16": "products of bf16 on the tensor units, sums in f32",
    "fp8": "products of fp8_e4m3 on the tensor units, sums in f32",
    "int8": "products of int8 on the tensor units, sums in int32",
    "b1": "1-bit products on the tensor cores: AND or XOR, and the count of ones in int32",
    "dp4a": "DP4A on the CUDA cores: four products of int8 and their sum, in int32",
}
"""Units that operations run on. A multiplication and an addition count as two operations; dense, never with sparsity."""

_VERSION = 1
_DIGITS = 0.02
"""Data sheets round to two or three digits, so a floor leaves that much room."""


@dataclass(frozen=True)
class Rate:
    """Operations a second of an arithmetic. ``sm_clock_hz`` was held while they were measured; None where it is not known."""

    arithmetic: str
    ops_per_s: float
    sm_clock_hz: float | None = None


@dataclass(frozen=True)
class Peaks:
    """What one device reached. ``device`` is its UUID, ``driver`` the version that measured, ``measured_at`` ISO 8601, UTC.

    ``copy_bytes_per_s`` counts bytes read and written. None and absent rates: the device or a library refuses, or there is
    no measurement of it.
    """

    device: str
    driver: str
    measured_at: str
    copy_bytes_per_s: float
    read_bytes_per_s: float | None
    rates: tuple[Rate, ...]

    def rate(self, arithmetic: str | None) -> Rate | None:
        """The rate of ``arithmetic``, or None."""
        return next((each for each in self.rates if each.arithmetic == arithmetic), None)


@dataclass(frozen=True)
class Bound:
    """Which ceiling is nearer, and which share of it a time reaches. ``held_fraction`` takes the rate of operations at the
    clock that was held during the timing; None where a clock is not known."""

    bound: Literal["memory", "compute"]
    fraction_of_peak: float
    held_fraction: float | None


def bound(
    time_s: float,
    moved_bytes: int,
    ops: int,
    arithmetic: str | None,
    peaks: Peaks,
    held_clock_hz: float | None = None,
) -> Bound | None:
    """The roofline's answer for one launch of ``time_s`` that must move ``moved_bytes`` and do ``ops`` operations.

    Memory takes moved bytes over the copy bandwidth, operations take their number over the rate of ``arithmetic``; the
    longer of the two is the bound. None where neither is known: operations whose rate was not measured are no ceiling.

    Williams, Waterman and Patterson, Roofline, CACM 52(4), 2009.
    """
    memory_s = moved_bytes / peaks.copy_bytes_per_s
    rate = peaks.rate(arithmetic)
    if ops and rate is None:
        return None
    compute_s = ops / rate.ops_per_s if rate is not None else 0.0
    nearest_s = max(memory_s, compute_s)
    if nearest_s == 0:
        return None
    held_s = _at_clock(compute_s, rate, held_clock_hz)
    held = None if held_s is None else max(memory_s, held_s) / time_s
    return Bound("memory" if memory_s >= compute_s else "compute", nearest_s / time_s, held)


def _at_clock(compute_s: float, rate: Rate | None, held_clock_hz: float | None) -> float | None:
    """The least time of the operations at another clock than their rate was measured at. Memory has a clock of its own."""
    if compute_s == 0 or rate is None:
        return 0.0
    if not rate.sm_clock_hz or not held_clock_hz:
        return None
    return compute_s * rate.sm_clock_hz / held_clock_hz


def physical_floor_s(
    read_bytes: int | None,
    ops: int,
    arithmetic: str | None,
    datasheet: DataSheet,
    max_clock_hz: float | None = None,
) -> float | None:
    """The least time that one launch can take; a shorter one was not measured rightly. None where nothing is known.

    Operations over the data sheet's rate, at the highest clock (``max_clock_hz`` as the driver tells it, where that is
    above the data sheet's: cards do run above their rated boost). ``read_bytes`` are given for cold reads only: writes,
    and what an earlier launch left in the cache, need no time of the memory.
    """
    rate = datasheet.highest_rate(arithmetic, max_clock_hz) if arithmetic is not None else None
    floors = [
        *([ops / rate] if ops and rate is not None else []),
        *([read_bytes / datasheet.memory_bytes_per_s] if read_bytes else []),
    ]
    return (1 - _DIGITS) * max(floors) if floors else None


def store_peaks(peaks: Peaks) -> Path:
    """Keep ``peaks`` in the cache, by rename. Raises DataError where the cache cannot be written."""
    path = _path(peaks.device, peaks.driver)
    with scratch_folder(path.parent) as scratch:
        part = scratch / path.name
        try:
            part.write_text(json.dumps({"version": _VERSION, **asdict(peaks)}, indent=2) + "\n")
            part.replace(path)
        except OSError as error:
            raise unwritable(path.parent, error) from error
    return path


def load_peaks(device: str, driver: str) -> Peaks | None:
    """What was measured on ``device`` with ``driver``; None where nothing was, or nothing that this version can read."""
    try:
        content: dict[str, Any] = json.loads(_path(device, driver).read_text())
        if content.pop("version") != _VERSION:
            return None
        rates = tuple(Rate(**each) for each in content.pop("rates"))
        made = Peaks(**content, rates=rates)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return made if (made.device, made.driver) == (device, driver) else None


def _path(device: str, driver: str) -> Path:
    return cache_root() / "peaks" / (re.sub(r"[^A-Za-z0-9.-]+", "_", f"{device}-{driver}") + ".json")

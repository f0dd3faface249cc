"""The least time of a launch by the data sheet of the device."""

from __future__ import annotations

from harness.backends.cuda.datasheet import datasheet
from harness.backends.cuda.gpu_facts import facts
from harness.device import Device
from harness.peaks import physical_floor_s


def floor_s(device: Device, read_bytes: int | None, ops: int, arithmetic: str | None) -> float | None:
    """Seconds that a launch takes at least: ``ops`` operations of an arithmetic, and ``read_bytes`` that are in no cache
    (None: they may be). None for a model whose data sheet is not known."""
    sheet = datasheet(device.model)
    if sheet is None:
        return None
    return physical_floor_s(read_bytes, ops, arithmetic, sheet, facts(device).max_sm_clock_hz)

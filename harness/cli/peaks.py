"""``harness doctor --peaks``: what each device reaches, measured now, beside its data sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from harness.cli.console import errors, output, table
from harness.cli.format import ABSENT
from harness.device import Device
from harness.peaks import ARITHMETICS, Peaks

if TYPE_CHECKING:
    from harness.backends.cuda.datasheet import DataSheet

_MEASURES = {
    "cuda": "harness.backends.cuda.peaks:measure_peaks",
    "cpu": "harness.backends.cpu.peaks:measure_peaks",
}
"""Backend → ``module:attribute``."""
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))


def show_peaks(as_json: bool) -> None:
    """Measure every device anew (seconds each), keep the outcomes in the cache, print them."""
    from harness.backends import BACKENDS
    from harness.backends.cuda.datasheet import datasheet
    from harness.kernels.spec import load_attribute

    for row in BACKENDS.values():
        if absence := row.absence():
            errors.print(f"{row.name}: {absence}; only the other devices are measured", markup=False)
    measured: list[Peaks] = []
    for row in BACKENDS.values():
        for device in row.devices():
            errors.print(f"measuring {device.name} ({device.model})", markup=False)
            measured.append(load_attribute(_MEASURES[row.name])(device))
            if not as_json:
                sheet = datasheet(device.model)
                output.print(peaks_table(device, measured[-1], sheet))
                output.print(
                    f"data sheet: {sheet.source}" if sheet else "no data sheet of this model is known", markup=False
                )
    if as_json:
        print(json.dumps([asdict(each) for each in measured], indent=2))


def peaks_table(device: Device, peaks: Peaks, sheet: DataSheet | None) -> Table:
    """One device: each figure as measured, by the data sheet, and the share of it."""
    columns = ("measured", "data sheet", "share", "SM clock")
    made = table(f"{device.name}: {device.model}", "figure", *columns, right=columns)
    for cells in _rows(peaks, sheet.memory_bytes_per_s if sheet else None, sheet.rates if sheet else {}):
        made.add_row(*cells)
    return made


def _rows(peaks: Peaks, memory: float | None, rates: dict[str, float]) -> Iterator[tuple[str, ...]]:
    yield "copy, read and written", *_cells(peaks.copy_bytes_per_s, memory, "B/s")
    if peaks.read_bytes_per_s is not None:
        yield "read", *_cells(peaks.read_bytes_per_s, memory, "B/s")
    for arithmetic in ARITHMETICS:
        rate = peaks.rate(arithmetic)
        if rate is not None or arithmetic in rates:
            found = (rate.ops_per_s, rate.sm_clock_hz) if rate is not None else (None, None)
            yield f"{arithmetic} product", *_cells(found[0], rates.get(arithmetic), "op/s", found[1])


def _cells(measured: float | None, rated: float | None, unit: str, clock_hz: float | None = None) -> tuple[str, ...]:
    share = f"{measured / rated:.0%}" if measured and rated else ABSENT
    clock = f"{clock_hz / 1e6:.0f} MHz" if clock_hz else ABSENT
    return per_second(measured, unit), per_second(rated, unit), share, clock


def per_second(value: float | None, unit: str) -> str:
    """``4.12 TB/s``."""
    if value is None:
        return ABSENT
    scale, prefix = next(((scale, prefix) for scale, prefix in _PREFIXES if value >= scale), (1.0, ""))
    return f"{value / scale:.3g} {prefix}{unit}"

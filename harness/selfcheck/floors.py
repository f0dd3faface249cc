"""Noise floors on disk: one parquet file a device, one row a case, the newest self-check of a case replacing older ones."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.columns import Row
from harness.device import Device
from harness.environment import environment_of
from harness.errors import StoreError
from harness.selfcheck.result import SelfcheckResult
from harness.store.files import explained, read_table
from harness.store.writer import write_parquet

FLOORS_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("case", pa.string()),
        ("device", pa.string()),
        ("gpu", pa.string()),
        ("cpu", pa.string()),
        ("pairs", pa.int64()),
        ("false_verdicts", pa.int64()),
        ("floor", pa.float64()),
        ("floor_kind", pa.string()),
        ("time_s", pa.float64()),
        ("date", pa.string()),
    ]
)


def floors_path(out: Path, device: Device) -> Path:
    """Where the floors of a device lie below a folder of results: ``selfcheck/cuda-0.parquet``."""
    return out / "selfcheck" / f"{device.name.replace(':', '-')}.parquet"


def store_floors(path: Path, result: SelfcheckResult) -> None:
    """Write the floors of the cases that have one, by rename. Rows of other cases stay, if the machine is the same one
    (GPU and CPU model). Raises StoreError where that cannot be done."""
    environment = environment_of(result.device)
    machine = {name: environment[name] for name in ("gpu", "cpu")}
    common = {
        **machine,
        "device": result.device.name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    rows: dict[str, dict[str, Any]] = {
        row["case_id"]: row for row in _rows(path) if all(row[name] == machine[name] for name in machine)
    }
    for check in result.checks:
        if check.floor is not None:
            own = ("case_id", "case", "pairs", "false_verdicts", "floor", "floor_kind", "time_s")
            rows[check.case_id] = {**common, **{name: getattr(check, name) for name in own}}
    with explained(path.parent, "create the folder of noise floors"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(path, pa.Table.from_pylist(list(rows.values()), FLOORS_SCHEMA), {})


def read_floors(path: Path) -> dict[str, float]:
    """case_id → noise floor (0.03 is 3 %); empty where there is no such file. Raises StoreError for another file."""
    return {row["case_id"]: row["floor"] for row in _rows(path)}


def machine_floors(given: Path | None, out: Path, records: Iterable[Row]) -> dict[str, float]:
    """case_id → noise floor of the cases of ``records``, found on the machine that each is from. ``given``: a file of
    floors, or a folder of such files; those below the folder of results ``out``, if there are any, where it is None.
    Raises StoreError where what is given does not exist or is another file."""
    if given is not None and not given.exists():
        raise StoreError(f"{given}: must be a file or folder of noise floors (got nothing there); check --floors")
    path = given or out / "selfcheck"
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    known = {(row["case_id"], row["gpu"], row["cpu"]): row["floor"] for file in files for row in _rows(file)}
    found: dict[str, float] = {}
    for record in records:
        floor = known.get((record["case_id"], record["gpu"], record["cpu"]))
        if floor is not None:
            found[record["case_id"]] = floor
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    table = read_table(path)
    if not set(FLOORS_SCHEMA.names) <= set(table.column_names):
        raise StoreError(f"{path}: holds no noise floors; move it away and run `harness selfcheck`")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows

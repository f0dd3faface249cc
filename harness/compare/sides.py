"""One side of a comparison: the records of a run, a file or a folder, and their rounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.columns import Row
from harness.compare.machine import identity
from harness.errors import StoreError, did_you_mean
from harness.record import COLUMNS
from harness.store.files import JOURNAL_SUFFIX, SAMPLES_SUFFIX
from harness.store.read import result_tables
from harness.store.samples import RoundMedians, round_medians

_RUN_ID = re.compile(r"\d{8}T\d{6}Z(-[0-9a-f]{4})?")


@dataclass(frozen=True, eq=False)
class Side:
    """``records``: case_id → the case's records, newest run first. ``files``: run_id → the file that holds it."""

    label: str
    records: Mapping[str, tuple[Row, ...]]
    files: Mapping[str, Path]

    def newest(self, case_id: str) -> Row:
        return self.records[case_id][0]

    def like(self, other: Row) -> Row:
        """The record of the same case to hold ``other`` against: the newest of the same machine, else the newest."""
        rows = self.records[other["case_id"]]
        return next((row for row in rows if identity(row) == identity(other)), rows[0])

    def of_cases(self, wanted: Callable[[str], bool]) -> Side:
        """The cases of this side whose (newest) names are ``wanted``."""
        kept = {case_id: rows for case_id, rows in self.records.items() if wanted(str(rows[0]["case"]))}
        return Side(self.label, kept, self.files)

    @property
    def run_ids(self) -> frozenset[str]:
        """The runs that the records are from."""
        return frozenset(row["run_id"] for rows in self.records.values() for row in rows)

    @property
    def passed_over(self) -> int:
        """Records of older runs of the same cases."""
        return sum(len(rows) - 1 for rows in self.records.values())

    def rounds(self, rows: Collection[Row]) -> RoundMedians:
        """Medians of rounds of these records, by case_id."""
        by_run: dict[str, list[str]] = {}
        for row in rows:
            by_run.setdefault(row["run_id"], []).append(row["case_id"])
        found: RoundMedians = {}
        for run_id, case_ids in by_run.items():
            found |= round_medians(self.files[run_id], run_id, case_ids)
        return found


def read_side(path: Path, label: str | None = None) -> Side:
    """All records of a file or below a folder. Raises StoreError for a path without results."""
    return read_sides([path], label)


def read_sides(paths: Sequence[Path], label: str | None = None) -> Side:
    """All records of files and below folders, as one side. Raises StoreError where there are none."""
    named = ", ".join(map(str, paths))
    records: dict[str, list[Row]] = {}
    files: dict[str, Path] = {}
    for file, table in result_tables(paths):
        rows: list[Row] = table.to_pylist()
        for row in rows:
            files.setdefault(row["run_id"], file)
            records.setdefault(row["case_id"], []).append({**dict.fromkeys(COLUMNS), **row})
    if not records:
        raise StoreError(f"{named}: holds no record yet; wait for the run's first case, or name another run")
    newest_first = {key: tuple(sorted(rows, key=_run_id, reverse=True)) for key, rows in records.items()}
    return Side(label or named, newest_first, files)


def _run_id(row: Row) -> str:
    return str(row["run_id"])


def find_side(text: str, out: Path) -> Path:
    """What a user means by ``text``: a file or folder, or a run below ``out`` by its id or the unique beginning of it.

    Raises StoreError where there is none, or more than one.
    """
    path = Path(text)
    if path.exists():
        return path
    runs = _runs(out)
    if text in runs:
        return runs[text]
    begun = sorted(run for run in runs if text and run.startswith(text))
    if len(begun) == 1:
        return runs[begun[0]]
    if begun:
        shown = ", ".join(begun[:5])
        raise StoreError(f"{text}: must be the beginning of one run (got {len(begun)}: {shown}); write more of it")
    hint = did_you_mean(text, runs) if _RUN_ID.match(text) else f"{len(runs)} runs are below {out}"
    raise StoreError(f"{text}: must be a run, a file or a folder of results (got nothing of that name); {hint}")


def _runs(out: Path) -> dict[str, Path]:
    """run_id → its file. Parquet where there is one, else the journal."""
    found: dict[str, Path] = {}
    for suffix in (JOURNAL_SUFFIX, ".parquet"):
        for path in sorted(out.rglob(f"*{suffix}")) if out.is_dir() else ():
            name = path.name.removesuffix(suffix)
            if not path.name.endswith(SAMPLES_SUFFIX) and _RUN_ID.match(name):
                found[name] = path
    return found

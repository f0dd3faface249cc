"""Writing a run: the journal while it goes on, parquet when it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.columns import Row
from harness.errors import StoreError
from harness.record import ARROW_SCHEMA
from harness.store.files import JOURNAL_SUFFIX, METADATA_KEY, SAMPLES_SUFFIX, RunHeader, explained, read_journal
from harness.store.find import StoredRun

Rounds = list[list[float]]
"""Timing samples, round by round."""

_SAMPLES_SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("case_id", pa.string()),
        ("round", pa.int64()),
        ("sample", pa.int64()),
        ("time_s", pa.float64()),
    ]
)


class RunWriter:
    """The journal of one run, held exclusively. ``rows`` are the cases that are done."""

    def __init__(self, folder: Path, header: RunHeader, rows: list[Row], samples: dict[str, Rounds], file: IO[bytes]):
        self.header = header
        self.rows = rows
        self._samples = samples
        self._folder = folder
        self._file = file

    @property
    def journal(self) -> Path:
        return self._folder / f"{self.header.run_id}{JOURNAL_SUFFIX}"

    @property
    def parquet(self) -> Path:
        return self._folder / f"{self.header.run_id}.parquet"

    @classmethod
    def create(cls, out: Path, header: RunHeader) -> RunWriter:
        """Start a run below ``out``; raises StoreError where that cannot be written."""
        folder = out / header.suite
        path = folder / f"{header.run_id}{JOURNAL_SUFFIX}"
        with explained(folder, "create the folder of results"):
            folder.mkdir(parents=True, exist_ok=True)
        with explained(path, "start the journal"):
            file = path.open("xb", buffering=0)
        _lock(file, path)
        writer = cls(folder, header, [], {}, file)
        writer._write_line(header.text())
        return writer

    @classmethod
    def resume(cls, run: StoredRun) -> RunWriter:
        """Go on with an unfinished run: its rows are kept, a torn last line is cut off."""
        path = run.folder / f"{run.header.run_id}{JOURNAL_SUFFIX}"
        with explained(path, "open the journal"):
            file = path.open("r+b", buffering=0)
        _lock(file, path)
        entries, length = read_journal(path)
        with explained(path, "mend the journal"):
            file.truncate(length)
            file.seek(length)
        rows = [entry["row"] for entry in entries]
        samples = {entry["row"]["case_id"]: _by_round(entry["samples"]) for entry in entries}
        return cls(run.folder, run.header, rows, samples, file)

    def append(self, row: Row, samples: Rounds) -> None:
        """One finished case, its samples (seconds) round by round. On disk (in the system's hands) when this returns."""
        self._write_line(json.dumps({"row": row, "samples": samples}))
        self.rows.append(row)
        self._samples[row["case_id"]] = samples

    def _write_line(self, line: str) -> None:
        data = line.encode() + b"\n"
        start = self._file.tell()
        with explained(self.journal, "write results"):
            try:
                written = 0
                while written < len(data):
                    written += self._file.write(data[written:])
            except OSError:
                with contextlib.suppress(OSError):  # nothing half-written stays behind
                    self._file.truncate(start)
                    self._file.seek(start)
                raise

    def publish(self, rows: list[Row]) -> Path:
        """Write ``rows`` as parquet with the samples beside it, by rename. The journal goes when all cases are in."""
        metadata = {METADATA_KEY: self.header.text()}
        samples = self.parquet.with_name(f"{self.header.run_id}{SAMPLES_SUFFIX}")
        write_parquet(samples, _samples_table(self.header.run_id, self._samples), metadata)
        write_parquet(self.parquet, pa.Table.from_pylist(rows, ARROW_SCHEMA), metadata)
        if len(rows) >= self.header.planned:
            with explained(self.journal, "remove the journal"):
                self.journal.unlink()
        return self.parquet

    def close(self) -> None:
        self._file.close()


def _by_round(samples: list[Any]) -> Rounds:
    """Samples as a journal has them; journals of before knew no rounds."""
    return [samples] if samples and not isinstance(samples[0], list) else samples


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(f"{path}: another process is writing this run; wait for it, or end it") from None
    except OSError:
        return  # a file system without locks: two writers of one run are then the user's to avoid


def _samples_table(run_id: str, samples: dict[str, Rounds]) -> pa.Table:
    tables = [_case_samples(run_id, case_id, rounds) for case_id, rounds in samples.items() if rounds]
    return pa.concat_tables(tables) if tables else _SAMPLES_SCHEMA.empty_table()


def _case_samples(run_id: str, case_id: str, rounds: Rounds) -> pa.Table:
    lengths = [len(each) for each in rounds]
    count = sum(lengths)
    columns = [
        pa.array([run_id] * count),
        pa.array([case_id] * count),
        np.repeat(np.arange(len(rounds)), lengths),
        np.arange(count),
        np.concatenate([np.asarray(each, dtype=np.float64) for each in rounds]),
    ]
    return pa.table(columns, schema=_SAMPLES_SCHEMA)


def write_parquet(path: Path, table: pa.Table, metadata: dict[bytes, Any]) -> None:
    """Write a table by rename, with ``metadata`` beside its own. Raises StoreError where that cannot be done."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    merged = {**(table.schema.metadata or {}), **metadata}
    with explained(path, "write results"):
        try:
            with temporary.open("wb") as file:
                pq.write_table(table.replace_schema_metadata(merged), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

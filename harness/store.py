"""Results on disk: a journal while running, parquet when done, read back as one table.

``<out>/<suite>/<run_id>.journal.jsonl`` has a header line and then a line a case, handed to the system as each case ends,
so that it survives the death of this process; a torn last line is ignored. ``<run_id>.parquet`` and
``<run_id>.samples.parquet`` appear by rename when the run ends, whole or not; the journal goes when all cases are in.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import StoreError
from harness.record import ARROW_SCHEMA, COLUMNS, Row

JOURNAL_SUFFIX = ".journal.jsonl"
SAMPLES_SUFFIX = ".samples.parquet"
_METADATA_KEY = b"harness"
_SAMPLES_SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("case_id", pa.string()),
        ("round", pa.int64()),
        ("sample", pa.int64()),
        ("time_s", pa.float64()),
    ]
)


@dataclass(frozen=True)
class RunHeader:
    """What a run set out to do; a resumed run must be of the same plan."""

    run_id: str
    suite: str
    device: str
    filters: tuple[str, ...]
    limit: int | None
    plan_digest: str
    planned: int

    @classmethod
    def parse(cls, text: str | bytes) -> RunHeader:
        values = json.loads(text)
        return cls(**{**values, "filters": tuple(values["filters"])})

    def text(self) -> str:
        return json.dumps(asdict(self))


def new_run_id() -> str:
    """Sorts by time: ``20260131T235959Z-1f3a``."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def _explained(path: Path, doing: str) -> Iterator[None]:
    """Turn the system's refusals into StoreError with what to do."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "free space on that disk",
            errno.EDQUOT: "free space within the quota",
            errno.EFBIG: "raise the file size limit",
            errno.EROFS: "choose a writable folder with --out",
            errno.EACCES: "choose a writable folder with --out",
            errno.EPERM: "choose a writable folder with --out",
            errno.ENOTDIR: "choose a folder with --out",
            errno.EEXIST: "choose a folder with --out",
        }
        remedy = remedies.get(error.errno or 0, "check the disk")
        raise StoreError(f"{path}: cannot {doing} (got: {error.strerror or error}); {remedy}") from None


class RunWriter:
    """The journal of one run, held exclusively. ``rows`` are the cases that are done."""

    def __init__(
        self, folder: Path, header: RunHeader, rows: list[Row], samples: dict[str, list[float]], file: IO[bytes]
    ):
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
        with _explained(folder, "create the folder of results"):
            folder.mkdir(parents=True, exist_ok=True)
        with _explained(path, "start the journal"):
            file = path.open("xb", buffering=0)
        _lock(file, path)
        writer = cls(folder, header, [], {}, file)
        writer._write_line(header.text())
        return writer

    @classmethod
    def resume(cls, run: StoredRun) -> RunWriter:
        """Go on with an unfinished run: its rows are kept, a torn last line is cut off."""
        path = run.folder / f"{run.header.run_id}{JOURNAL_SUFFIX}"
        with _explained(path, "open the journal"):
            file = path.open("r+b", buffering=0)
        _lock(file, path)
        entries, length = _read_journal(path)
        with _explained(path, "mend the journal"):
            file.truncate(length)
            file.seek(length)
        rows = [entry["row"] for entry in entries]
        samples = {entry["row"]["case_id"]: entry["samples"] for entry in entries}
        return cls(run.folder, run.header, rows, samples, file)

    def append(self, row: Row, samples: list[float]) -> None:
        """One finished case. On disk (in the system's hands) when this returns."""
        self._write_line(json.dumps({"row": row, "samples": samples}))
        self.rows.append(row)
        self._samples[row["case_id"]] = samples

    def _write_line(self, line: str) -> None:
        data = line.encode() + b"\n"
        start = self._file.tell()
        with _explained(self.journal, "write results"):
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
        metadata = {_METADATA_KEY: self.header.text()}
        samples = self.parquet.with_name(f"{self.header.run_id}{SAMPLES_SUFFIX}")
        _write_parquet(samples, _samples_table(self.header.run_id, self._samples), metadata)
        _write_parquet(self.parquet, pa.Table.from_pylist(rows, ARROW_SCHEMA), metadata)
        if len(rows) >= self.header.planned:
            with _explained(self.journal, "remove the journal"):
                self.journal.unlink()
        return self.parquet

    def close(self) -> None:
        self._file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(f"{path}: another process is writing this run; wait for it, or end it") from None
    except OSError:
        return  # a file system without locks: two writers of one run are then the user's to avoid


def _samples_table(run_id: str, samples: dict[str, list[float]]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in _SAMPLES_SCHEMA.names}
    for case_id, times in samples.items():
        columns["run_id"] += [run_id] * len(times)
        columns["case_id"] += [case_id] * len(times)
        columns["round"] += [0] * len(times)
        columns["sample"] += range(len(times))
        columns["time_s"] += times
    return pa.table(columns, schema=_SAMPLES_SCHEMA)


def _write_parquet(path: Path, table: pa.Table, metadata: dict[bytes, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    merged = {**(table.schema.metadata or {}), **metadata}
    with _explained(path, "write results"):
        try:
            with temporary.open("wb") as file:
                pq.write_table(table.replace_schema_metadata(merged), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _read_journal(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Entries after the header, and the length of what is whole."""
    with _explained(path, "read the journal"):
        data = path.read_bytes()
    length = data.rfind(b"\n") + 1
    lines = data[:length].splitlines()
    try:
        return [json.loads(line) for line in lines[1:]], length
    except (ValueError, UnicodeDecodeError):
        raise StoreError(f"{path}: is damaged before its last line; move it away and run the suite again") from None


@dataclass(frozen=True)
class StoredRun:
    """A run on disk. ``finished``: its parquet holds every planned case."""

    folder: Path
    header: RunHeader
    finished: bool


def find_run(out: Path, suite: str, wanted: str) -> StoredRun | None:
    """The run ``wanted`` of a suite below ``out``: its id, or ``last`` for the newest (None where there is none)."""
    folder = out / suite
    runs = {run.header.run_id: run for run in _runs(folder)}
    if wanted == "last":
        return runs[max(runs)] if runs else None
    name = Path(wanted).name.removesuffix(JOURNAL_SUFFIX).removesuffix(SAMPLES_SUFFIX).removesuffix(".parquet")
    if name not in runs:
        known = ", ".join(sorted(runs)[-3:]) or "none"
        raise StoreError(f"--resume: must be a run of {suite} in {out} (got {wanted!r}); newest: {known}")
    return runs[name]


def _runs(folder: Path) -> Iterator[StoredRun]:
    for path in sorted(folder.glob(f"*{JOURNAL_SUFFIX}")):
        header = _journal_header(path)
        if header is not None:
            yield StoredRun(folder, header, finished=False)
    for path in sorted(folder.glob("*.parquet")):
        if path.name.endswith(SAMPLES_SUFFIX) or path.with_name(path.stem + JOURNAL_SUFFIX).exists():
            continue
        text = (_table(path).schema.metadata or {}).get(_METADATA_KEY)
        if text is not None:
            yield StoredRun(folder, RunHeader.parse(text), finished=True)


def _journal_header(path: Path) -> RunHeader | None:
    """None for a journal whose header was never written whole: a run that ended before it began."""
    with _explained(path, "read the journal"), path.open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    try:
        return RunHeader.parse(line)
    except (ValueError, TypeError, KeyError):
        raise StoreError(f"{path}: is no journal of this version; move it away") from None


def _table(path: Path) -> pa.Table:
    with _explained(path, "read results"):
        try:
            return pq.read_table(path)
        except pa.ArrowInvalid as error:
            raise StoreError(f"{path}: is no parquet file (got: {str(error)[:120]}); move it away") from None


def read_results(paths: Iterable[Path]) -> pd.DataFrame:
    """All records below ``paths`` (files or folders), of finished runs and of unfinished ones' journals.

    No case of a run appears twice. Columns are COLUMNS, then any that newer files have. Raises StoreError for a path
    that does not exist, a damaged file, or where there are no results at all.
    """
    tables: list[pa.Table] = []
    seen: set[tuple[str, str]] = set()
    paths = list(paths)
    for path in _result_files(paths):
        if path.name.endswith(JOURNAL_SUFFIX):
            rows = [entry["row"] for entry in _read_journal(path)[0]] if _journal_header(path) else []
            table = pa.Table.from_pylist(rows, ARROW_SCHEMA)
        else:
            table = _table(path)
            if not {"run_id", "case_id"} <= set(table.column_names):
                raise StoreError(f"{path}: holds no results of this tool (no run_id, case_id); name another file")
        keys = list(zip(table["run_id"].to_pylist(), table["case_id"].to_pylist(), strict=True))
        keep = [key not in seen for key in keys]
        seen.update(keys)
        tables.append(table.filter(pa.array(keep, pa.bool_())))
    if not tables:
        raise StoreError(f"{', '.join(map(str, paths))}: no results there; run a suite first, or name another folder")
    merged = pa.concat_tables(tables, promote_options="permissive")
    missing = [name for name in COLUMNS if name not in merged.column_names]
    for name in missing:
        merged = merged.append_column(name, pa.nulls(len(merged), COLUMNS[name].type))
    order = [*COLUMNS, *(name for name in merged.column_names if name not in COLUMNS)]
    return to_frame(merged.select(order))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Nullable pandas types, so that whole numbers and flags stay what they are beside nulls."""
    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    return frame


def rows_to_frame(rows: list[Row]) -> pd.DataFrame:
    """Rows of records as a table."""
    return to_frame(pa.Table.from_pylist(rows, ARROW_SCHEMA))


def _result_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Journals last: what is in parquet already is taken from there."""
    journals: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob("*.parquet"))
            journals += sorted(path.rglob(f"*{JOURNAL_SUFFIX}"))
        elif path.is_file():
            found = [path] if not path.name.endswith(JOURNAL_SUFFIX) else []
            journals += [path] if not found else []
        else:
            raise StoreError(f"{path}: must be a file or folder of results (got nothing there); check the path")
        yield from (each for each in found if not each.name.endswith(SAMPLES_SUFFIX))
    yield from journals

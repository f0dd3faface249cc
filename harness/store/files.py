"""The files of a run: their names, their headers, and how refusals of the system are explained."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import StoreError

JOURNAL_SUFFIX = ".journal.jsonl"
SAMPLES_SUFFIX = ".samples.parquet"
METADATA_KEY = b"harness"
"""Where a parquet file keeps its run's header."""


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
    model: str = ""  # of the device; headers of before have neither
    energy: bool = False

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
def explained(path: Path, doing: str) -> Iterator[None]:
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


def read_journal(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Entries after the header, and the length of what is whole."""
    with explained(path, "read the journal"):
        data = path.read_bytes()
    length = data.rfind(b"\n") + 1
    lines = data[:length].splitlines()
    try:
        return [json.loads(line) for line in lines[1:]], length
    except (ValueError, UnicodeDecodeError):
        raise StoreError(f"{path}: is damaged before its last line; move it away and run the suite again") from None


def journal_header(path: Path) -> RunHeader | None:
    """None for a journal whose header was never written whole: a run that ended before it began."""
    with explained(path, "read the journal"), path.open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    try:
        return RunHeader.parse(line)
    except (ValueError, TypeError, KeyError):
        raise StoreError(f"{path}: is no journal of this version; move it away") from None


def read_table(path: Path) -> pa.Table:
    with explained(path, "read results"):
        try:
            return pq.read_table(path)
        except pa.ArrowInvalid as error:
            raise StoreError(f"{path}: is no parquet file (got: {str(error)[:120]}); move it away") from None

"""Finding a run to go on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.columns import Row
from harness.errors import StoreError
from harness.store.files import JOURNAL_SUFFIX, METADATA_KEY, SAMPLES_SUFFIX, RunHeader, journal_header, read_table


@dataclass(frozen=True)
class StoredRun:
    """A run on disk. ``finished``: its parquet holds every planned case."""

    folder: Path
    header: RunHeader
    finished: bool

    @property
    def parquet(self) -> Path:
        return self.folder / f"{self.header.run_id}.parquet"

    def rows(self) -> list[Row]:
        """The records of a finished run."""
        rows: list[Row] = read_table(self.parquet).to_pylist()
        return rows


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
        header = journal_header(path)
        if header is not None:
            yield StoredRun(folder, header, finished=False)
    for path in sorted(folder.glob("*.parquet")):
        if path.name.endswith(SAMPLES_SUFFIX) or path.with_name(path.stem + JOURNAL_SUFFIX).exists():
            continue
        text = (read_table(path).schema.metadata or {}).get(METADATA_KEY)
        if text is not None:
            yield StoredRun(folder, RunHeader.parse(text), finished=True)

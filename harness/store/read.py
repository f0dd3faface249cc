"""Reading results back as one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from harness.columns import Row
from harness.errors import StoreError
from harness.record import ARROW_SCHEMA, COLUMNS
from harness.store.files import JOURNAL_SUFFIX, SAMPLES_SUFFIX, journal_header, read_journal, read_table


def read_results(paths: Iterable[str | Path]) -> pd.DataFrame:
    """All records below ``paths`` (files or folders), of finished runs and of unfinished ones' journals.

    No case of a run appears twice. Columns are COLUMNS, then any that newer files have. Raises StoreError for a path
    that does not exist, a damaged file, or where there are no results at all.
    """
    merged = pa.concat_tables([table for _, table in result_tables(map(Path, paths))], promote_options="permissive")
    missing = [name for name in COLUMNS if name not in merged.column_names]
    for name in missing:
        merged = merged.append_column(name, pa.nulls(len(merged), COLUMNS[name].type))
    order = [*COLUMNS, *(name for name in merged.column_names if name not in COLUMNS)]
    return to_frame(merged.select(order))


def result_tables(paths: Iterable[Path]) -> list[tuple[Path, pa.Table]]:
    """Each file of results below ``paths`` (at least one) with its records; raises as ``read_results`` does."""
    tables: list[tuple[Path, pa.Table]] = []
    seen: set[tuple[str, str]] = set()
    paths = list(paths)
    for path in result_files(paths):
        if path.name.endswith(JOURNAL_SUFFIX):
            rows = [entry["row"] for entry in read_journal(path)[0]] if journal_header(path) else []
            table = pa.Table.from_pylist(rows, ARROW_SCHEMA)
        else:
            table = read_table(path)
            if not {"run_id", "case_id"} <= set(table.column_names):
                if path not in paths:
                    continue  # evidence, noise floors: other tables that lie beside results
                raise StoreError(f"{path}: holds no results of this tool (no run_id, case_id); name another file")
        keys = list(zip(table["run_id"].to_pylist(), table["case_id"].to_pylist(), strict=True))
        keep = [key not in seen for key in keys]
        seen.update(keys)
        tables.append((path, table.filter(pa.array(keep, pa.bool_()))))
    if not tables:
        raise StoreError(f"{', '.join(map(str, paths))}: no results there; run a suite first, or name another folder")
    return tables


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Nullable pandas types, so that whole numbers and flags stay what they are beside nulls."""
    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get)
    return frame


def rows_to_frame(rows: list[Row]) -> pd.DataFrame:
    """Rows of records as a table."""
    return to_frame(pa.Table.from_pylist(rows, ARROW_SCHEMA))


def result_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Files of results at and below ``paths``, samples left out. Journals last: what is in parquet already is taken from there."""
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

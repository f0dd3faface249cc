"""Timing samples read back: all of them, or one figure a round, which is what comparisons rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.store.files import JOURNAL_SUFFIX, SAMPLES_SUFFIX, read_journal, read_table
from harness.store.read import result_files

RoundMedians = dict[str, NDArray[np.float64]]
"""case_id → the median time of each of its rounds, seconds, in order."""


_COLUMNS = ("run_id", "case_id", "round", "sample", "time_s")


def read_samples(paths: Iterable[Path]) -> pd.DataFrame:
    """Timing samples of the finished runs below ``paths`` (as for ``read_results``): run_id, case_id, round, sample, time_s
    (seconds), one row a sample, each run once; no rows where there are none."""
    tables: dict[str, pa.Table] = {}
    for path in result_files(paths):
        beside = samples_path(path)
        if path.suffix == ".parquet" and beside.is_file():
            tables.setdefault(path.stem, read_table(beside))
    if not tables:
        return pd.DataFrame(columns=_COLUMNS)
    found: pd.DataFrame = pa.concat_tables(tables.values(), promote_options="permissive").to_pandas()
    return found


def samples_path(results: Path) -> Path:
    """Where the samples of a file of results lie."""
    return results.with_name(results.name.removesuffix(".parquet") + SAMPLES_SUFFIX)


def round_medians(results: Path, run_id: str, case_ids: Collection[str]) -> RoundMedians:
    """The rounds of a run's cases, from the samples beside ``results`` (or from the journal that it is). Cases without
    samples are left out; all of them are where there is no file of samples. Raises StoreError for another file."""
    if results.name.endswith(JOURNAL_SUFFIX):
        return _of_journal(results, frozenset(case_ids))
    path = samples_path(results)
    if not path.exists():
        return {}
    table = read_table(path)
    if not {"run_id", "case_id", "round", "time_s"} <= set(table.column_names):
        raise StoreError(
            f"{path}: holds no samples by round (needs run_id, case_id, round, time_s); run the suite again"
        )
    wanted = pc.is_in(table["case_id"], value_set=pa.array(sorted(case_ids), pa.string()))
    table = table.filter(pc.and_(wanted, pc.equal(table["run_id"], run_id)))
    frame = table.select(["case_id", "round", "time_s"]).to_pandas()
    medians = frame.groupby(["case_id", "round"], sort=True)["time_s"].median()
    return {str(case_id): group.to_numpy(np.float64) for case_id, group in medians.groupby(level=0)}


def _of_journal(path: Path, case_ids: frozenset[str]) -> RoundMedians:
    found: RoundMedians = {}
    for entry in read_journal(path)[0]:
        rounds = entry["samples"]
        if entry["row"]["case_id"] in case_ids and rounds and isinstance(rounds[0], list):
            found[entry["row"]["case_id"]] = np.array([np.median(each) for each in rounds if each])
    return found

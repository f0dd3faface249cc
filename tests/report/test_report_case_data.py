"""Columns and samples of a case's page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from harness.environment import ENVIRONMENT
from harness.numerics.error_histogram import COLUMN as HISTOGRAM
from harness.record import COLUMNS as RECORD_COLUMNS
from harness.report.case_data import QUANTILES, ROUNDS, distributions, groups, histograms
from harness.report.columns import COLUMN_OF, COLUMNS
from harness.report.tidy import tidy
from harness.store import read_samples


def test_every_column_is_in_one_group(shared_records: pd.DataFrame) -> None:
    listed = Counter(name for _, names in groups(tidy(shared_records)) for name in names)
    assert set(listed.values()) == {1}
    assert {column.name for column in COLUMNS} <= listed.keys()


def test_every_column_of_a_record_has_a_label_or_is_of_the_environment() -> None:
    unknown = RECORD_COLUMNS.keys() - COLUMN_OF.keys() - {row.name for row in ENVIRONMENT} - {HISTOGRAM}
    assert not unknown


def test_quantiles_and_rounds() -> None:
    samples = pd.DataFrame(
        {"run_id": "r", "case_id": "c", "round": [0, 0, 0, 1], "sample": range(4), "time_s": [1e-6, 2e-6, 9e-6, 4e-6]}
    )
    quantiles, rounds = distributions(samples)["c"]["r"]
    assert len(quantiles) == QUANTILES
    assert (quantiles[0], quantiles[-1], quantiles[QUANTILES // 2]) == (1e-6, 9e-6, pytest.approx(3e-6))
    assert rounds == [2e-6, 4e-6]
    many = pd.DataFrame({"run_id": "r", "case_id": "c", "round": range(100), "sample": 0, "time_s": 1e-6})
    assert len(distributions(many)["c"]["r"][1]) == ROUNDS
    assert distributions(None) == {}


def test_histograms_are_shares_from_the_first_bin_on() -> None:
    records = pd.DataFrame({"case_id": ["a", "b", "c"], "run_id": "r", HISTOGRAM: ["0 1 3 0", None, "0 0 0 0"]})
    assert histograms(records) == {"a": {"r": [1, 4, 2500.0, 7500.0]}}
    assert histograms(records.drop(columns=HISTOGRAM)) == {}


def test_samples_are_read_from_beside_the_results() -> None:
    reference = Path(__file__).resolve().parents[2] / "results" / "reference" / "smoke"
    samples = read_samples([reference])
    assert {"run_id", "case_id", "round", "time_s"} <= set(samples.columns)
    assert (samples["time_s"] > 0).all()
    assert len(samples) == len(read_samples([reference, reference]))


def test_no_samples_are_no_rows(tmp_path: Path) -> None:
    assert read_samples([tmp_path]).empty

"""What the pages History and Compare are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_histories import NIGHTS, make_history, nights, step
from made_runs import case, make_run, run_id

from harness.history.annotations import Annotation
from harness.report.over_time import compare_data, history_data, history_of, regressions, side_of
from harness.report.tidy import tidy
from harness.store import read_results, read_samples


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    cases = {0: nights(rng), 1: step(nights(rng), 25, 1.1)}
    return make_history(tmp_path / "results", cases, {25: {"git_commit": "bbbb"}})


def side(folder):
    return side_of(tidy(read_results([folder])))


def test_points_are_numbered_by_run_and_regressions_come_first(folder):
    found = history_of(side(folder), ())
    data = history_data(found)
    assert data["runs"] == [run_id(night) for night in range(NIGHTS)]
    assert [each["case_id"] for each in data["cases"]] == ["c1", "c0"]
    assert data["cases"][0]["run"] == list(range(NIGHTS))
    assert data["cases"][0]["changes"][0]["run_id"] == run_id(25)
    (only,), further = regressions(found)
    assert (only.case_id, only.since, only.causes, further) == ("c1", run_id(25), "git_commit aaaa → bbbb", 0)


def test_accepted_changes_are_no_regressions(folder):
    found = history_of(side(folder), [Annotation(run_id(25), "*", "known")])
    assert regressions(found) == ((), 0)


def test_a_case_of_one_run_has_no_history(tmp_path):
    path = make_run(tmp_path, [case(0, [1e-3] * 12)])
    assert history_of(side(path), ()).cases == ()
    assert compare_data(side(path), None) == {"verdicts": {}, "notes": {}}


def test_verdicts_are_those_of_the_two_newest_runs(folder):
    make_run(folder, [case(0, 1e-3 * np.linspace(1.2, 1.21, 12)), case(1, [1.1e-3] * 12, sqnr_db=20.0)], day=NIGHTS)
    data = compare_data(side(folder), read_samples([folder]))
    (key,) = data["verdicts"]
    assert key == f"{run_id(NIGHTS - 1)} {run_id(NIGHTS)}"
    verdicts = data["verdicts"][key]
    assert verdicts["c0"][0] == "slower"
    assert verdicts["c1"][5] == "worse"


def test_without_samples_verdicts_are_unsure(folder):
    (verdicts,) = compare_data(side(folder), pd.DataFrame())["verdicts"].values()
    assert {each[0] for each in verdicts.values()} == {"unsure"}


def test_records_that_name_no_case_or_backend_are_left_out(folder):
    records = tidy(read_results([folder]))
    records.loc[0, "case_id"] = None
    records.loc[1, "backend"] = "abacus"
    assert sum(map(len, side_of(records).records.values())) == len(records) - 2

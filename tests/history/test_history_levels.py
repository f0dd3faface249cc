"""Levels, causes and acceptance: what a history says, and what it takes as the reference."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_histories import NIGHTS, make_history, nights, step
from made_runs import case, make_run, run_id
from typer.testing import CliRunner

from harness.cli import app
from harness.compare.sides import read_sides
from harness.errors import StoreError
from harness.history import build_history
from harness.history.annotations import Annotation, accepted_since, annotate, read_annotations


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def read(folder, annotations=(), floors=None):
    return build_history(read_sides([folder]), floors or {}, annotations)


def case_of(history, number):
    return next(each for each in history.cases if each.series.case_id == f"c{number}")


def test_a_change_names_its_run_and_what_changed_with_it(tmp_path, rng):
    environment = {25: {"git_commit": "bbbb", "driver_version": "590.2"}}
    cases = {0: nights(rng), 1: step(nights(rng), 25, 1.08)}
    history = read(make_history(tmp_path, cases, environment))
    assert [each.series.case_id for each in history.cases] == ["c1", "c0"]
    (change,) = case_of(history, 1).changes
    assert (change.run_id, change.previous_run_id, change.is_slower) == (run_id(25), run_id(24), True)
    assert change.ratio == pytest.approx(1.08, abs=0.005)
    assert {(each.name, each.before, each.after) for each in change.causes} == {
        ("git_commit", "aaaa", "bbbb"),
        ("driver_version", "580.1", "590.2"),
    }
    assert case_of(history, 0).changes == ()


def test_a_slowdown_is_no_level_until_it_is_accepted(tmp_path, rng):
    folder = make_history(tmp_path, {0: step(nights(rng), 15, 1.1)})
    (found,) = read(folder).cases
    assert found.level.median_s == pytest.approx(1e-3, rel=0.01)
    assert found.level.slower_since == run_id(15)
    assert found.last_ratio == pytest.approx(1.1, abs=0.02)
    (found,) = read(folder, [Annotation(run_id(15), "gemm/dp4a/*", "safer")]).cases
    assert found.level.median_s == pytest.approx(1.1e-3, rel=0.01)
    assert not found.is_regressed


def test_acceptance_is_of_the_cases_that_it_names(tmp_path, rng):
    folder = make_history(tmp_path, {0: step(nights(rng), 15, 1.1), 1: step(nights(rng), 15, 1.1)})
    history = read(folder, [Annotation(run_id(15), "*/s0", "safer")])
    assert (case_of(history, 0).is_regressed, case_of(history, 1).is_regressed) == (False, True)


def test_a_faster_level_replaces_the_reference(tmp_path, rng):
    (found,) = read(make_history(tmp_path, {0: step(nights(rng), 20, 0.8)})).cases
    assert found.level.median_s == pytest.approx(0.8e-3, rel=0.01)
    assert found.level.since == run_id(20)


def test_a_slowdown_that_went_again_is_none(tmp_path, rng):
    times = step(step(nights(rng), 15, 1.1), 25, 1 / 1.1)
    (found,) = read(make_history(tmp_path, {0: times})).cases
    assert len(found.changes) == 2
    assert not found.is_regressed
    assert found.level.median_s == pytest.approx(1e-3, rel=0.01)


def test_a_slowdown_half_mended_stays_one(tmp_path, rng):
    times = step(step(nights(rng), 15, 1.2), 28, 1.1 / 1.2)
    (found,) = read(make_history(tmp_path, {0: times})).cases
    assert found.is_regressed
    assert found.level.median_s == pytest.approx(1e-3, rel=0.01)


def test_another_machine_is_another_series(tmp_path, rng):
    make_history(tmp_path, {0: nights(rng)})
    make_run(tmp_path, [case(0, [2e-3] * 12, gpu="Other GPU")], day=NIGHTS)
    assert sorted(len(each.series.points) for each in read(tmp_path).cases) == [1, NIGHTS]


def test_failed_runs_are_told_apart(tmp_path, rng):
    make_history(tmp_path, {0: nights(rng, 10)})
    make_run(tmp_path, [case(0, status="crashed")], day=10)
    (found,) = read(tmp_path).cases
    assert found.series.failed == ((run_id(10), "crashed"),)
    assert len(found.series.points) == 10


def test_acceptances_are_kept_and_read(tmp_path):
    first, second = Annotation("r1", "a*", "x"), Annotation("r2", "*", "y")
    annotate(tmp_path, first)
    annotate(tmp_path, second)
    assert read_annotations([tmp_path]) == (first, second)
    assert accepted_since("abc", (first, second)) == "r2"
    assert accepted_since("b", (first,)) is None


@pytest.mark.parametrize("text", ["{", '{"run_id": 1}', '[{"run": "x"}]'])
def test_another_file_of_that_name_is_refused(tmp_path, text):
    (tmp_path / "history.json").write_text(text)
    with pytest.raises(StoreError, match="must be a list"):
        read_annotations([tmp_path])


def shown(*words):
    found = CliRunner().invoke(app, ["history", *map(str, words)], env={"COLUMNS": "300"})
    return found.exit_code, found.output


def test_the_command_lists_what_changed(tmp_path, rng):
    folder = make_history(tmp_path, {0: nights(rng), 1: step(nights(rng), 25, 1.08)}, {25: {"git_commit": "bbbb"}})
    code, text = shown(folder)
    assert code == 0
    assert "2 cases in 40 runs, 1 changed, 1 slower now than a level before" in text
    assert "git_commit aaaa → bbbb" in text
    assert "gemm/dp4a/s0" not in text
    assert "gemm/dp4a/s0" in shown(folder, "--all")[1]
    assert "gemm/dp4a/s1" in shown(folder, "--markdown")[1].replace("\\", "")
    found = json.loads(shown(folder, "--json", "--case", "*s1")[1])
    (only,) = found["cases"]
    assert only["changes"][0]["run_id"] == run_id(25)
    assert len(only["time_s"]) == NIGHTS


def test_the_command_accepts(tmp_path, rng):
    folder = make_history(tmp_path, {0: step(nights(rng), 25, 1.08)})
    assert shown(folder, "--accept", run_id(25))[0] == 1
    assert shown(folder, "--accept", "nosuch", "--why", "x")[0] == 1
    code, text = shown(folder, "--accept", run_id(25), "--why", "exact sums")
    assert code == 0
    assert "slower now" not in text
    assert "slower now" not in shown(folder)[1]


def test_what_matches_nothing_is_said(tmp_path, rng):
    folder = make_history(tmp_path, {0: nights(rng, 5)})
    assert shown(folder, "--case", "nosuch")[0] == 1
    assert shown(folder, "--markdown", "--json")[0] == 1

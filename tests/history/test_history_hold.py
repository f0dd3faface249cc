"""``harness check --history``: one run against the level of many."""

from __future__ import annotations

import numpy as np
import pytest
from made_histories import NIGHTS, make_history, nights, step
from made_runs import case, make_run, run_id
from typer.testing import CliRunner

from harness.cli import app
from harness.compare.sides import read_side, read_sides
from harness.errors import StoreError
from harness.history import hold_against
from harness.history.annotations import Annotation, annotate
from harness.history.hold import FEWEST_RUNS
from harness.verdict import Change

CASES = 60


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def folder(tmp_path, rng):
    return make_history(tmp_path / "all", {number: nights(rng, 20) for number in range(CASES)})


def tonight(folder, rng, day=NIGHTS, **slower):
    ratios = {int(name.removeprefix("c")): ratio for name, ratio in slower.items()}
    rows = [case(i, [nights(rng, 1)[0] * ratios.get(i, 1.0)] * 12) for i in range(CASES)]
    return make_run(folder, rows, day=day)


def verdicts(folder, run, **settings):
    found = hold_against(read_sides([folder]), read_side(run), {}, **settings)
    return {each.case_id: each.speed.verdict for each in found.cases}, found


def check(run, folder, *words):
    found = CliRunner().invoke(
        app, ["check", str(run), "--history", str(folder), *map(str, words)], env={"COLUMNS": "300"}
    )
    return found.exit_code, found.output


def test_a_quiet_night_has_no_findings(folder, rng):
    found, _ = verdicts(folder, tonight(folder, rng))
    assert not {Change.SLOWER, Change.FASTER} & set(found.values())


def test_slower_and_faster_are_found(folder, rng):
    found, comparison = verdicts(folder, tonight(folder, rng, c3=1.05, c4=0.95, c5=1.005))
    assert {key for key, verdict in found.items() if verdict is Change.SLOWER} == {"c3"}
    assert {key for key, verdict in found.items() if verdict is Change.FASTER} == {"c4"}
    assert not any("passed over" in note or "both sides" in note for note in comparison.notes)


def test_the_run_itself_and_later_ones_are_no_history(folder, rng):
    run = tonight(folder, rng, c3=1.2)
    for day in range(NIGHTS + 1, NIGHTS + 20):
        tonight(folder, rng, day=day, c3=1.2)
    assert verdicts(folder, run)[0]["c3"] is Change.SLOWER
    with pytest.raises(StoreError, match="from before"):
        hold_against(read_side(run), read_side(run), {})


def test_too_few_runs_are_unsure(tmp_path, rng):
    folder = make_history(tmp_path, {number: nights(rng, FEWEST_RUNS - 1) for number in range(CASES)})
    found, comparison = verdicts(folder, tonight(folder, rng, c0=2.0))
    assert set(found.values()) == {Change.UNSURE}
    assert comparison.cases[0].speed.reason == f"needs {FEWEST_RUNS} runs of its level (got {FEWEST_RUNS - 1})"


def test_nights_that_agree_to_the_last_digit_do_not_divide_by_zero(tmp_path, rng):
    folder = make_history(tmp_path, {0: [1e-3] * 10})
    same = make_run(folder, [case(0, [1e-3] * 12)], day=NIGHTS)
    assert verdicts(folder, same)[0] == {"c0": Change.SAME}
    slower = make_run(folder, [case(0, [1.03e-3] * 12)], day=NIGHTS + 1)
    assert verdicts(folder, slower)[0] == {"c0": Change.SLOWER}


def test_a_wide_floor_widens_the_band(folder, rng):
    run = tonight(folder, rng, c3=1.05)
    found = hold_against(read_sides([folder]), read_side(run), {"c3": 0.08})
    assert next(each.speed.verdict for each in found.cases if each.case_id == "c3") is not Change.SLOWER


def test_what_a_policy_ignores_is_a_band_and_no_noise(folder, rng, tmp_path):
    run = tonight(folder, rng, c3=1.9, c4=1.2)
    (tmp_path / "policy.yaml").write_text("speed: {ignore_below: 0.4}\n")
    code, text = check(run, folder, "--policy", tmp_path / "policy.yaml")
    assert code == 2
    assert "60 cases checked: 1 slower" in text


def test_the_gate_does_not_get_used_to_a_slowdown(tmp_path, rng):
    cases = {number: nights(rng, 60) for number in range(1, CASES)}
    folder = make_history(tmp_path, {0: step(nights(rng, 60), 20, 1.1), **cases})
    run = tonight(folder, rng, day=60, c0=1.1)
    assert check(run, folder)[0] == 2
    annotate(folder, Annotation(run_id(20), "*/s0", "exact sums"))
    assert check(run, folder)[0] == 0


def test_accuracy_and_conformance_are_held_against_the_newest_run(folder, rng):
    rows = [case(i, nights(rng, 1).repeat(12)) for i in range(2, CASES)]
    run = make_run(folder, [case(0, [1e-3] * 12, sqnr_db=29.0), case(1, status="inaccurate"), *rows], day=NIGHTS)
    code, text = check(run, folder)
    assert code == 3
    assert "1 broken, 1 less accurate" in text


def test_only_what_is_slower_twice_is_slower(folder, tmp_path, rng):
    run = tonight(folder, rng, c3=1.1, c4=1.1)
    again = make_run(tmp_path / "again", [case(3, [1.1e-3] * 12), case(4, [1e-3] * 12)], day=NIGHTS + 1)
    assert check(run, folder)[0] == 2
    code, text = check(run, folder, "--again", again)
    assert code == 2
    assert "60 cases checked: 1 slower" in text
    assert "1 cases were slower and, measured again, were not" in text
    calm = make_run(tmp_path / "calm", [case(3, [1e-3] * 12), case(4, [1e-3] * 12)], day=NIGHTS + 1)
    assert check(run, folder, "--again", calm)[0] == 0


def test_a_machine_that_is_slower_as_a_whole_is_said(folder, rng):
    run = tonight(folder, rng, **{f"c{i}": 1.05 for i in range(CASES)})
    code, text = check(run, folder)
    assert code == 2
    assert "look at the machine first" in text


def test_one_of_baseline_and_history_is_needed(folder, rng):
    run = tonight(folder, rng)
    assert CliRunner().invoke(app, ["check", str(run)]).exit_code == 1
    assert check(run, folder, "--against", folder)[0] == 1

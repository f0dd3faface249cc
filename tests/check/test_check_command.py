"""``harness check``: exit codes, what it writes for CI, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from made_runs import case, make_run, noisy
from typer.testing import CliRunner

from harness.cli import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def checked(tmp_path, rng):
    """A function: cases of the checked run (the baseline has c0 to c3 at 1 ms) → exit code and output."""

    def check(after, *words, before=None, policy=None):
        base = make_run(tmp_path / "base", before or [case(i, noisy(rng)) for i in range(4)], day=0)
        run = make_run(tmp_path / "run", after, day=1)
        if policy is not None:
            (tmp_path / "policy.yaml").write_text(policy)
            words = (*words, "--policy", str(tmp_path / "policy.yaml"))
        found = CliRunner().invoke(app, ["check", str(run), "--against", str(base), *words], env={"COLUMNS": "200"})
        return found.exit_code, found.output

    return check


def kept(rng, *numbers):
    return [case(number, noisy(rng)) for number in numbers]


def test_nothing_regressed(checked, rng):
    code, shown = checked(kept(rng, 0, 1, 2, 3))
    assert code == 0
    assert "4 cases checked, nothing regressed" in shown


def test_slower_is_two(checked, rng):
    code, shown = checked([case(0, noisy(rng, 1.1e-3)), *kept(rng, 1, 2, 3)])
    assert code == 2
    assert "1 slower" in shown


def test_less_accurate_is_three_whatever_else(checked, rng):
    code, shown = checked([case(0, noisy(rng, 1.1e-3)), case(1, noisy(rng), sqnr_db=29.0), *kept(rng, 2, 3)])
    assert code == 3
    assert "1 less accurate, 1 slower" in shown


@pytest.mark.parametrize("status", ["inaccurate", "crashed", "timeout", "compile_error"])
def test_not_conforming_is_three(checked, rng, status):
    code, shown = checked([case(0, status=status, reason="why"), *kept(rng, 1, 2, 3)])
    assert code == 3
    assert f"was ok, is {status}: why" in shown


def test_a_pitfall_is_left_alone(checked, rng):
    wrong = case(0, status="inaccurate", kernel_role="pitfall")
    assert checked([wrong, *kept(rng, 1, 2, 3)])[0] == 0


def test_too_few_rounds_are_unsure_and_fail_only_if_asked(checked, rng):
    after = [case(0, noisy(rng, rounds=3)), *kept(rng, 1, 2, 3)]
    assert checked(after)[0] == 0
    code, shown = checked(after, policy="unsure: fail")
    assert code == 4
    assert "needs 10 rounds a side (got 3)" in shown


def test_cases_that_were_not_run_fail_only_if_asked(checked, rng):
    assert checked(kept(rng, 0, 1, 2))[0] == 0
    code, shown = checked(kept(rng, 0, 1, 2), policy="missing: fail")
    assert code == 4
    assert "is in the baseline and was not run" in shown


def test_a_policy_says_which_cases_and_how_much(checked, rng):
    after = [case(0, noisy(rng, 1.1e-3)), *kept(rng, 1, 2, 3)]
    assert checked(after, policy="exclude: [gemm/dp4a/s0]")[0] == 0
    assert checked(after, policy="speed: {ignore_below: 0.15}")[0] == 0
    assert checked(after, policy="speed: {gate: false}")[0] == 0
    assert checked(after, policy="speed: {ignore_below: 0.05}")[0] == 2
    less = [case(0, noisy(rng), sqnr_db=29.95), *kept(rng, 1, 2, 3)]
    assert checked(less)[0] == 3
    assert checked(less, policy="accuracy: {tolerances: [{figure: sqnr_db, absolute: 0.1}]}")[0] == 0


def test_files_for_ci(checked, rng, tmp_path):
    hostile = 'gemm/<b>|\x07&"]]>'
    after = [case(0, noisy(rng, 1.2e-3), sqnr_db=20.0), *kept(rng, 1, 2), case(3, noisy(rng, 1.3e-3), case=hostile)]
    files = [tmp_path / "ci" / name for name in ("junit.xml", "summary.md", "check.json")]
    code, _ = checked(after, "--junit", str(files[0]), "--markdown", str(files[1]), "--json", str(files[2]))
    assert code == 3
    suite = ET.parse(files[0]).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failed = {test.get("name"): test[0].text for test in suite if len(test)}
    assert set(failed) == {"gemm/dp4a/s0", 'gemm/<b>|�&"]]>'}
    assert [line.partition(":")[0] for line in failed["gemm/dp4a/s0"].splitlines()] == ["less_accurate", "slower"]
    rows = [line for line in files[1].read_text().splitlines() if line.startswith(("| less", "| slower"))]
    assert len(rows) == 3
    found = json.loads(files[2].read_text())
    assert (found["exit_code"], found["checked"]) == (3, 4)
    assert [each["kind"] for each in found["findings"]] == ["less_accurate", "slower", "slower"]


def test_floors_are_missed_in_the_notes_unless_the_policy_has_a_band(checked, rng):
    assert "have no noise floor" in checked(kept(rng, 0, 1, 2, 3))[1]
    assert "have no noise floor" not in checked(kept(rng, 0, 1, 2, 3), policy="speed: {ignore_below: 0.05}")[1]


@pytest.mark.parametrize("policy", ["nosuch: 1", None])
def test_what_could_not_run_is_one(tmp_path, policy):
    (tmp_path / "p.yaml").write_text(policy or "{}")
    words = ["check", "nosuch", "--against", "nosuch", "--policy", str(tmp_path / "p.yaml"), "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr

"""A comparison in a terminal, as Markdown and as JSON: what changed comes first, and any text is text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_runs import case, make_run, noisy
from typer.testing import CliRunner

from harness.cli import app


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def sides(tmp_path, rng):
    """Slower, less accurate, broken, gone, come, and one that stays as it was."""
    before = [case(0, noisy(rng)), case(1, noisy(rng)), case(2, noisy(rng)), case(3, noisy(rng)), case(4, noisy(rng))]
    after = [
        case(0, noisy(rng, 1.1e-3)),
        case(1, noisy(rng), sqnr_db=29.0),
        case(2, status="crashed", reason="SIGSEGV", sqnr_db=None, mse=None),
        case(3, noisy(rng)),
        case(5, noisy(rng), case="gemm/dp4a/|new|*"),
    ]
    return [
        str(make_run(tmp_path / name, cases, day=day))
        for day, (name, cases) in enumerate((("a", before), ("b", after)))
    ]


def ran(*words, code=0):
    found = CliRunner().invoke(app, ["compare", *words], env={"COLUMNS": "200"})
    assert found.exit_code == code, found.output
    return found.output if code == 0 else f"{found.output}{found.exception}"


def test_the_table_begins_with_what_is_worst_and_leaves_out_what_stayed(sides):
    shown = ran(*sides)
    places = [shown.index(each) for each in ("gemm/dp4a/s2", "gemm/dp4a/s1", "gemm/dp4a/s0")]
    assert places == sorted(places)
    assert "gemm/dp4a/s3" not in shown
    assert "ok → crashed: SIGSEGV" in shown
    assert "sqnr_db 30 → 29" in shown
    assert "added: gemm/dp4a/|new|* (ok)" in shown
    assert "removed: gemm/dp4a/s4 (ok)" in shown
    assert "4 cases on both sides, 1 slower, 2 same, 1 not timed on both sides" in shown
    assert "3 of 3 compared cases have no noise floor" in shown
    assert "gemm/dp4a/s3" in ran(*sides, "--all")


def test_markdown_is_a_table_whatever_a_case_is_called(sides):
    lines = ran(*sides, "--markdown").splitlines()
    rows = [line for line in lines if line.startswith("| gemm")]
    assert [row.split(" | ")[0] for row in rows] == ["| gemm/dp4a/s2", "| gemm/dp4a/s1", "| gemm/dp4a/s0"]
    assert all(row.count(" | ") == 5 for row in rows)
    assert "- gemm/dp4a/\\|new\\|\\* (ok)" in lines


def test_json_holds_every_case_and_figure(sides):
    found = json.loads(ran(*sides, "--json"))
    cases = {each["case_id"]: each for each in found["cases"]}
    assert set(cases) == {"c0", "c1", "c2", "c3"}
    slower = cases["c0"]["speed"]
    assert slower["verdict"] == "slower"
    assert slower["low"] < 1.1 < slower["high"]
    assert slower["band"] == 0.02
    assert cases["c1"]["accuracy"] == "worse"
    assert cases["c2"]["conformance"] == "broken"
    assert found["counts"]["speed"]["slower"] == 1
    assert ([each["case_id"] for each in found["added"]], [each["case_id"] for each in found["removed"]]) == (
        ["c5"],
        ["c4"],
    )


def test_floors_of_selfcheck_widen_the_band(sides, tmp_path):
    assert "must be a file or folder of noise floors" in ran(*sides, "--floors", str(tmp_path / "none"), code=1)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["nosuch", "nosuch"], "must be a run, a file or a folder of results"),
        (["--markdown", "--json", "a", "b"], "choose one"),
    ],
)
def test_what_cannot_be_compared_says_why(words, wanted, tmp_path):
    assert wanted in ran(*words, "--out", str(tmp_path), code=1)


def test_an_empty_folder_has_no_results(sides, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no results there" in ran(str(tmp_path / "empty"), sides[1], code=1)

"""Old runs go, but not those that a gate needs; annotations that accept nothing."""

from __future__ import annotations

import numpy as np
import pytest
from made_histories import make_history, nights, step
from made_runs import case, make_run, run_id
from typer.testing import CliRunner

from harness.cli import app
from harness.compare import read_side
from harness.history.annotations import Annotation, accepted_since, annotate, annotations_of, read_annotations
from harness.history.levels import LOOKBACK
from harness.history.model import build_history
from harness.history.prune import plan_pruning


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def planned(folder, keep):
    side = read_side(folder)
    return plan_pruning(side, build_history(side, {}), keep)


def shown(*words):
    found = CliRunner().invoke(app, ["history", *map(str, words)], env={"COLUMNS": "300"})
    return found.exit_code, found.output


def files(folder):
    return sorted(path.name for path in folder.rglob("*.parquet"))


def test_the_newest_runs_stay(tmp_path, rng):
    folder = make_history(tmp_path, {0: nights(rng, 12)})
    plan = planned(folder, 5)
    assert [run.run_id for run in plan.old] == [run_id(night) for night in range(7)]
    assert plan.kept == tuple(run_id(night) for night in range(7, 12))
    assert plan.needed == ()


def test_each_suite_keeps_its_own(tmp_path):
    for day in range(4):
        make_run(tmp_path, [case(0, [1e-3] * 12)], day=day, suite="often")
    make_run(tmp_path, [case(1, [1e-3] * 12)], day=0x7F, suite="other")
    plan = planned(tmp_path, 2)
    assert [run.run_id for run in plan.old] == [run_id(0), run_id(1)]


def test_the_level_of_a_slower_case_stays(tmp_path, rng):
    folder = make_history(tmp_path, {0: step(nights(rng, 60), 45, 1.1), 1: nights(rng, 60)})
    plan = planned(folder, 5)
    assert plan.needed == tuple(run_id(night) for night in range(45 - LOOKBACK, 45))
    assert [run.run_id for run in plan.old] == [run_id(night) for night in [*range(45 - LOOKBACK), *range(45, 55)]]


def test_a_run_that_goes_on_stays(tmp_path):
    make_run(tmp_path, [case(0, [1e-3] * 12)], day=0, finish=False)
    make_run(tmp_path, [case(0, [1e-3] * 12)], day=1)
    assert planned(tmp_path, 1).old == ()


def test_the_command_says_what_would_go_and_deletes_when_told(tmp_path, rng):
    folder = make_history(tmp_path, {0: nights(rng, 6)})
    before = files(folder)
    code, text = shown(folder, "--prune", 4)
    assert code == 0
    assert "would go: 2 of 6 runs" in text
    assert f"{run_id(1)}.samples.parquet" in text
    assert files(folder) == before
    assert "deleted: samples of 2 of 6 runs" in shown(folder, "--prune", 4, "--samples-only", "--yes")[1]
    assert set(before) - set(files(folder)) == {f"{run_id(night)}.samples.parquet" for night in range(2)}
    assert shown(folder, "--prune", 4, "--yes")[0] == 0
    assert files(folder) == sorted(
        f"{run_id(night)}{end}" for night in range(2, 6) for end in (".parquet", ".samples.parquet")
    )
    assert "0 of 4 runs" in shown(folder, "--prune", 4)[1]


def test_pruning_is_of_whole_runs(tmp_path, rng):
    folder = make_history(tmp_path, {0: nights(rng, 6)})
    assert shown(folder, "--prune", 4, "--case", "*s0")[0] == 1


def test_an_annotation_is_kept_and_accepts_nothing(tmp_path, rng):
    folder = make_history(tmp_path, {0: step(nights(rng), 25, 1.08)})
    code, text = shown(folder, "--annotate", run_id(25), "--why", "another room")
    assert code == 0
    assert "1 slower now" in text
    (kept,) = read_annotations([folder])
    assert kept == Annotation(run_id(25), "*", "another room", accepts=False)
    assert accepted_since("gemm/dp4a/s0", [kept]) is None
    (only,) = build_history(read_side(folder), {}, [kept]).cases
    assert only.annotations == (kept,)


def test_annotations_of_a_case_are_in_the_order_of_runs(tmp_path):
    later, earlier, other = Annotation("r2", "a*", "x"), Annotation("r1", "*", "y", False), Annotation("r0", "b", "z")
    for each in (later, earlier, other):
        annotate(tmp_path, each)
    assert annotations_of("abc", read_annotations([tmp_path])) == (earlier, later)

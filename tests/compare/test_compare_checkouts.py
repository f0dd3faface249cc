"""Two checkouts, each in a process of its own, their rounds in turn."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.cli import app
from harness.compare.checkouts import Checkouts, compare_checkouts
from harness.compare.flagged import flagged_cases
from harness.compare.interleave import InterleaveOptions
from harness.compare.lane_process import Lane, LaneError, is_checkout
from harness.compare.result import Accuracy, Conformance
from harness.errors import StoreError
from harness.kernels import all_kernels
from harness.verdict import Change

PACKAGE = Path(harness.__file__).resolve().parent
PACED = Path(__file__).resolve().parents[1] / "helpers" / "paced_kernel.py"
SUITE = """\
name: paced
op: quantize
shapes: [{name: s, rows: 4, cols: 8}]
matrix: {kernel: paced, format: [int8, int4]}
measure: {l2: hot, max_time_s: 0.02}
"""
OPTIONS = InterleaveOptions(rounds=10, samples=2)


@pytest.fixture
def checkouts(tmp_path, monkeypatch):
    """Makes a checkout whose kernel takes so long, or is wrong, or ends its process."""
    all_kernels()  # this process keeps what it knows
    monkeypatch.setenv("HARNESS_PLUGINS", "paced_kernel")
    paths = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if "helpers" not in each]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    (tmp_path / "paced.yaml").write_text(SUITE)

    def make(name: str, *changes: tuple[str, str]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "harness").symlink_to(PACKAGE)
        text = PACED.read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (folder / "paced_kernel.py").write_text(text)
        return folder

    return make


def compared(a: Path, b: Path):
    return compare_checkouts(Checkouts(a, b, a.parent / "paced.yaml", "cpu"), lambda cases: {}, OPTIONS)


def test_each_side_runs_its_own_source(checkouts):
    a, b = checkouts("a", ('"0.002"', '"0.004"')), checkouts("b", ('"0.002"', '"0.012"'))
    assert is_checkout(a)
    found = compared(a, b)
    assert [case.speed.verdict for case in found.cases] == [Change.SLOWER] * 2
    assert all(2 < case.speed.ratio < 4 for case in found.cases)
    assert [case.accuracy for case in found.cases] == [Accuracy.SAME] * 2
    assert (found.a, found.b) == (str(a), str(b))


def test_a_side_that_is_wrong_is_not_timed(checkouts):
    a, b = checkouts("a"), checkouts("b", ('os.environ.get("PACED_WRONG")', "True"))
    found = compared(a, b)
    assert [case.conformance for case in found.cases] == [Conformance.BROKEN] * 2
    assert all(case.speed is None and "differ" in case.reason for case in found.cases)


def test_a_side_that_dies_costs_its_case(checkouts):
    """int4 ends the process of B; int8 is timed all the same."""
    wanted = "time.sleep(self.pace_s)"
    dies = 'time.sleep(self.pace_s)\n        if "int4" in str(self.problem.quantized.scheme):\n            os._exit(7)'
    found = compared(checkouts("a"), checkouts("b", (wanted, dies)))
    by_status = {case.status_b: case for case in found.cases}
    assert set(by_status) == {"ok", "crashed"}
    assert "exit code 7" in by_status["crashed"].reason
    assert by_status["ok"].speed is not None


def test_a_checkout_that_cannot_be_imported_says_so(checkouts, tmp_path):
    broken = tmp_path / "broken"
    (broken / "harness").mkdir(parents=True)
    (broken / "harness" / "__init__.py").write_text("raise ImportError('half a merge')")
    with pytest.raises(LaneError, match="half a merge"):
        compared(checkouts("a"), broken)


def test_a_lane_ends_with_its_context(checkouts):
    a = checkouts("a")
    with Lane(a, a.parent / "paced.yaml", "cpu", [], offline=True) as lane:
        assert len(lane.cases) == 2
        process = lane._process
    assert process is not None
    assert process.poll() is not None


def test_the_command_compares_what_was_flagged(checkouts, tmp_path):
    a, b = checkouts("a", ('"0.002"', '"0.001"')), checkouts("b")
    with Lane(a, tmp_path / "paced.yaml", "cpu", [], offline=True) as lane:
        first, second = lane.cases
    speeds = [{"case_id": first, "speed": {"verdict": "slower"}}, {"case_id": second, "speed": {"verdict": "same"}}]
    (tmp_path / "check.json").write_text(json.dumps({"comparison": {"cases": speeds}}))
    words = [
        "compare",
        str(a),
        str(b),
        "--interleave",
        str(tmp_path / "paced.yaml"),
        "--device",
        "cpu",
        "--rounds",
        "10",
    ]
    found = CliRunner().invoke(
        app, [*words, "--flagged", str(tmp_path / "check.json"), "--json", "--out", str(tmp_path)]
    )
    assert found.exit_code == 0, found.output
    (only,) = json.loads(found.stdout)["cases"]
    assert only["case_id"] == first


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"cases": [{"case_id": "a"}]}', '{"cases": [{"case_id": "a", "speed": null}]}']
)
def test_a_file_that_flags_nothing_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="must"):
        flagged_cases(path)

"""Two runs on disk, held against each other."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_runs import case, make_run, noisy, run_id
from typer.testing import CliRunner

from harness.cli import app
from harness.compare import Accuracy, Conformance, compare_sides, find_side, read_side
from harness.compare.accuracy import FIGURES, Figures, Tolerance, compare_accuracy
from harness.compare.export import cell, remarkable, to_markdown
from harness.errors import HarnessError, StoreError
from harness.record import COLUMNS
from harness.selfcheck.floors import FLOORS_SCHEMA, machine_floors
from harness.store import RunHeader
from harness.verdict import Change

COMPARED = dict.fromkeys(FIGURES, 1.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def compare(a, b, floors=None, **more):
    return compare_sides(read_side(a), read_side(b), floors or {}, **more)


def pair_of(tmp_path, before, after, **more):
    """The comparison of two runs of such cases; ``more`` are columns of the second."""
    a = make_run(tmp_path / "a", before)
    return compare(a, make_run(tmp_path / "b", after, day=1, **more))


def invoke(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def words_of(error):
    return str(error.value)


def test_what_is_slower_faster_and_the_same(tmp_path, rng):
    before = [case(index, noisy(rng)) for index in range(20)]
    scales = {3: 1.1, 5: 0.9}
    after = [case(index, noisy(rng, 1e-3 * scales.get(index, 1.0))) for index in range(20)]
    found = pair_of(tmp_path, before, after)
    verdicts = {each.case_id: each.speed.verdict for each in found.cases}
    assert verdicts.pop("c3") is Change.SLOWER
    assert verdicts.pop("c5") is Change.FASTER
    assert set(verdicts.values()) == {Change.SAME}
    assert [each.case_id for each in remarkable(found)] == ["c3", "c5"]
    assert found.cases[3].speed.ratio == pytest.approx(1.1, rel=0.01)


def test_too_few_rounds_are_said_and_never_a_verdict(tmp_path, rng):
    found = pair_of(tmp_path, [case(0, noisy(rng))], [case(0, noisy(rng, 2e-3, rounds=9))])
    (only,) = found.cases
    assert (only.speed.verdict, only.speed.reason) == (Change.UNSURE, "needs 10 rounds a side (got 9)")
    assert "needs 10 rounds a side (got 9)" in to_markdown(found)


def test_runs_without_their_samples_are_unsure(tmp_path, rng):
    a, b = (make_run(tmp_path / name, [case(0, noisy(rng))]) for name in "ab")
    b.with_name(f"{b.stem}.samples.parquet").unlink()
    assert compare(a, b).cases[0].speed.reason == "needs 10 rounds a side (got 0)"


def test_a_round_counts_once_however_many_samples_it_has(tmp_path, rng):
    path = make_run(tmp_path, [case(0, noisy(rng, rounds=11))])
    side = read_side(path)
    assert len(side.rounds([side.newest("c0")])["c0"]) == 11


def test_the_floor_of_a_case_is_taken(tmp_path, rng):
    before, after = [case(0, noisy(rng))], [case(0, noisy(rng, 1.05e-3))]
    a, b = make_run(tmp_path / "a", before), make_run(tmp_path / "b", after)
    assert compare(a, b).cases[0].speed.verdict is Change.SLOWER
    assert compare(a, b, {"c0": 0.1}).cases[0].speed.verdict is Change.SAME


def test_floors_are_those_of_the_machine(tmp_path):
    own = {**dict.fromkeys(FLOORS_SCHEMA.names), "case_id": "c0", "gpu": "Test GPU", "cpu": "Test CPU", "floor": 0.07}
    folder = tmp_path / "selfcheck"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([own], FLOORS_SCHEMA), folder / "cuda-0.parquet")
    row, _ = case(0)
    assert machine_floors(None, tmp_path, [row]) == {"c0": 0.07}
    assert machine_floors(None, tmp_path, [{**row, "gpu": "Another"}]) == {}
    assert machine_floors(folder / "cuda-0.parquet", tmp_path / "nowhere", [row]) == {"c0": 0.07}
    assert machine_floors(None, tmp_path / "nowhere", [row]) == {}
    with pytest.raises(StoreError, match="check --floors"):
        machine_floors(tmp_path / "nowhere", tmp_path, [row])


@pytest.mark.parametrize(("column", "there"), [("gpu", "Another GPU"), ("mig", "on")])
def test_another_machine_is_never_joined_silently(tmp_path, rng, column, there):
    a, b = (make_run(tmp_path / name, [case(0, noisy(rng, time), sqnr_db=sqnr)], **more) for name, time, sqnr, more in (
        ("a", 1e-3, 30.0, {}), ("b", 2e-3, 29.0, {column: there})))  # fmt: skip
    (only,) = compare(a, b).cases
    assert only.speed.verdict is Change.UNSURE
    assert "another machine" in only.speed.reason
    assert there in only.speed.reason
    assert (only.accuracy, only.accuracy_reason) == (Accuracy.NOT_COMPARED, only.speed.reason)
    asked = compare(a, b, across_machines=True)
    assert (asked.cases[0].speed.verdict, asked.cases[0].accuracy) == (Change.SLOWER, Accuracy.WORSE)
    assert any(there in note for note in asked.notes)


def test_a_cuda_case_does_not_mind_the_host_s_cpu(tmp_path, rng):
    found = pair_of(tmp_path, [case(0, noisy(rng))], [case(0, noisy(rng))], cpu="Another CPU")
    assert found.cases[0].speed.verdict is Change.SAME


def test_a_record_of_the_same_machine_is_preferred(tmp_path, rng):
    make_run(tmp_path / "a", [case(0, noisy(rng))], day=0)
    make_run(tmp_path / "a", [case(0, noisy(rng, 2e-3))], day=1, gpu="Another GPU")
    b = make_run(tmp_path / "b", [case(0, noisy(rng))], day=2)
    found = compare(tmp_path / "a", b)
    assert found.cases[0].speed.verdict is Change.SAME
    assert any("1 records of older runs" in note for note in found.notes)


def test_the_newest_run_of_a_folder_counts(tmp_path, rng):
    for day, time_s in ((0, 5e-3), (2, 1e-3), (1, 9e-3)):
        make_run(tmp_path / "a", [case(0, noisy(rng, time_s))], day=day)
    assert read_side(tmp_path / "a").newest("c0")["run_id"] == run_id(2)


def test_other_drivers_are_noted(tmp_path, rng):
    found = pair_of(tmp_path, [case(0, noisy(rng))], [case(0, noisy(rng))], driver_version="590.2")
    assert "driver_version: 580.1 → 590.2 (1 cases)" in found.notes
    assert found.cases[0].speed.verdict is Change.SAME


def test_cases_measured_in_another_mode_are_not_joined(tmp_path, rng):
    before = [case(0, noisy(rng)), case(1, noisy(rng))]
    after = [case(0, noisy(rng)), case(7, noisy(rng), case="gemm/dp4a/s1", mode="steady")]
    found = pair_of(tmp_path, before, after)
    assert [each.case_id for each in found.cases] == ["c0"]
    assert ([each.case_id for each in found.removed], [each.case_id for each in found.added]) == (["c1"], ["c7"])
    assert "1 cases differ in mode (burst, then steady): other measurements, not joined" in found.notes


def test_the_journal_of_a_run_that_goes_on(tmp_path, rng):
    a = make_run(tmp_path / "a", [case(0, noisy(rng))])
    b = make_run(tmp_path / "b", [case(0, noisy(rng, 1.2e-3))], finish=False)
    assert compare(a, b).cases[0].speed.verdict is Change.SLOWER


ALL = Figures()


def accuracy(figures=ALL, a=None, b=None, **changed):
    before, after = case(0, **COMPARED)[0], case(0, **COMPARED)[0]
    return compare_accuracy({**before, **(a or {})}, {**after, **changed, **(b or {})}, figures)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_compared_exactly(name):
    assert name in COLUMNS
    for value, is_more in ((np.nextafter(1.0, 2.0), True), (np.nextafter(1.0, 0.0), False)):
        verdict, (change,), _ = accuracy(**{name: value})
        direction = FIGURES[name]
        wanted = Accuracy.CHANGED
        if direction is not None:
            wanted = Accuracy.BETTER if is_more == (direction == "higher") else Accuracy.WORSE
        assert (verdict, change.name, change.b) == (wanted, name, value)


def test_equal_figures_are_the_same_and_infinity_is_a_figure():
    assert accuracy()[0] is Accuracy.SAME
    exact = {"sqnr_db": np.inf}
    assert accuracy(a=exact, **exact)[0] is Accuracy.SAME
    assert accuracy(a=exact)[0] is Accuracy.WORSE
    assert accuracy(**exact)[0] is Accuracy.BETTER


def test_one_figure_worse_makes_the_case_worse():
    assert accuracy(sqnr_db=2.0, max_abs_error=2.0)[0] is Accuracy.WORSE


def test_a_figure_that_one_version_does_not_have_is_left_out():
    assert accuracy(a={"worst_block_mse": None})[0] is Accuracy.SAME


def test_tolerance_only_where_it_is_declared():
    declared = Figures(tolerances=(Tolerance("gemm/dp4a/*", "sqnr_db", 0.1),))
    assert accuracy(declared, sqnr_db=0.95)[0] is Accuracy.SAME
    assert accuracy(declared, sqnr_db=0.85)[0] is Accuracy.WORSE
    assert accuracy(declared, cosine=0.95)[0] is Accuracy.WORSE
    assert accuracy(declared, case="gemm/wmma_s8/x", sqnr_db=0.95)[0] is Accuracy.WORSE


def test_only_chosen_figures_are_compared():
    assert accuracy(Figures(compared=("sqnr*",)), mse=2.0)[0] is Accuracy.SAME


def test_sums_by_atomics_are_judged_by_their_bound():
    atomic = {"op": "ste_backward", "kernel": "atomic"}
    verdict, changes, reason = accuracy(b=atomic, sqnr_db=0.5)
    assert (verdict, changes) == (Accuracy.NOT_COMPARED, ())
    assert "atomics" in reason
    declared = Figures(tolerances=(Tolerance("*", "sqnr_db", 0.1),))
    assert accuracy(declared, b=atomic, sqnr_db=0.5)[0] is Accuracy.WORSE
    assert accuracy(declared, b=atomic, sqnr_db=0.95, mse=3.0)[0] is Accuracy.SAME
    assert accuracy(b={**atomic, "kernel": "two_level"}, sqnr_db=0.5)[0] is Accuracy.WORSE


def test_figures_of_other_rows_are_not_compared():
    verdict, _, reason = accuracy(a={"reference_rows": 256}, reference_rows=512, sqnr_db=0.5)
    assert verdict is Accuracy.NOT_COMPARED
    assert reason == "other rows were checked (256, then 512)"


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ("ok", "ok", Conformance.KEPT),
        ("ok", "inaccurate", Conformance.BROKEN),
        ("ok", "crashed", Conformance.BROKEN),
        ("timeout", "ok", Conformance.MENDED),
        ("inaccurate", "inaccurate", Conformance.FAILING),
        ("ok", "skipped", Conformance.NOT_RUN),
    ],
)
def test_conformance(tmp_path, rng, a, b, wanted):
    sides = [case(0, noisy(rng) if status == "ok" else None, status=status) for status in (a, b)]
    found = pair_of(tmp_path, [sides[0]], [sides[1]])
    assert found.cases[0].conformance is wanted
    assert (found.cases[0].speed is None) == ((a, b) != ("ok", "ok"))


def test_nothing_in_common(tmp_path, rng):
    with pytest.raises(HarnessError, match=r"must have cases in common \(got none: 1 cases of s, 1 of t\)"):
        compare(
            make_run(tmp_path / "a", [case(0, noisy(rng))]), make_run(tmp_path / "b", [case(1, noisy(rng))], suite="t")
        )


def test_runs_are_found_by_their_id(tmp_path, rng):
    paths = [make_run(tmp_path, [case(0, noisy(rng))], day=day, suite=f"s{day}") for day in (0, 1)]
    assert find_side(run_id(1), tmp_path) == paths[1]
    assert find_side("20260102", tmp_path) == paths[1]
    assert find_side(str(tmp_path), tmp_path / "nowhere") == tmp_path
    with pytest.raises(StoreError, match="beginning of one run \\(got 2"):
        find_side("2026010", tmp_path)
    with pytest.raises(StoreError, match="did you mean 20260102T020000Z-0001"):
        find_side("20260102T020000Z-0002", tmp_path)
    with pytest.raises(StoreError, match="2 runs are below"):
        find_side("nosuch", tmp_path)


def test_bad_files_are_named(tmp_path, rng):
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    for name, words in (("empty", "no results there"), ("other", "no run_id, case_id"), ("text", "no parquet file")):
        path = tmp_path / (name if name == "empty" else f"{name}.parquet")
        with pytest.raises(StoreError, match=words) as error:
            read_side(path)
        assert words_of(error).startswith(str(path))
    begun = make_run(tmp_path / "begun", [], finish=False)
    with pytest.raises(StoreError, match="holds no record yet"):
        read_side(begun)
    samples = make_run(tmp_path / "a", [case(0, noisy(rng))])
    pq.write_table(pa.table({"case_id": ["c0"]}), samples.with_name(f"{samples.stem}.samples.parquet"))
    with pytest.raises(StoreError, match="no samples by round"):
        compare(samples, samples)


def test_files_of_before_join_with_newer_ones(tmp_path, rng):
    """A column less, and no samples' rounds: of a version that knew neither."""
    a, b = (make_run(tmp_path / name, [case(0, noisy(rng))]) for name in "ab")
    old = pq.read_table(a)
    pq.write_table(old.drop_columns(["mig", "bound_used"]), a)
    assert compare(a, b).cases[0].speed.verdict is Change.UNSURE  # whether it was divided is not known
    pq.write_table(old.drop_columns(["bound_used"]), a)
    assert compare(a, b).cases[0].speed.verdict is Change.SAME


def test_the_command_prints_a_table(tmp_path, rng):
    before = [case(index, noisy(rng)) for index in range(3)]
    after = [
        case(0, noisy(rng, 1.2e-3)),
        case(1, noisy(rng), sqnr_db=29.0),
        case(2, status="crashed", reason="signal 11"),
    ]
    a, b = make_run(tmp_path / "a", before), make_run(tmp_path / "b", after, day=1)
    done = invoke(a, b)
    assert done.exit_code == 0
    assert "slower" in done.stdout
    assert "worse: sqnr_db 30 → 29" in done.stdout
    assert "ok → crashed: signal 11" in done.stdout
    assert "3 cases on both sides, 1 slower, 1 same, 1 not timed on both sides" in done.stdout
    assert "note: 2 of 2 compared cases have no noise floor" in done.stdout


def test_the_command_prints_json_and_markdown(tmp_path, rng):
    row = {"sqnr_db": float("inf")}
    a = make_run(tmp_path / "a", [case(0, noisy(rng), **row), case(1, noisy(rng))])
    b = make_run(tmp_path / "b", [case(0, noisy(rng, 1.2e-3)), case(2, noisy(rng))], day=1)
    made = json.loads(invoke(a, b, "--json").stdout, parse_constant=lambda text: pytest.fail(text))
    (only,) = made["cases"]
    assert only["speed"]["verdict"] == "slower"
    assert only["speed"]["band"] == 0.02
    assert only["figures"] == [{"name": "sqnr_db", "a": "inf", "b": 30.0, "better": False}]
    assert (made["added"][0]["case_id"], made["removed"][0]["case_id"]) == ("c2", "c1")
    text = invoke(a, b, "--markdown").stdout
    assert "| gemm/dp4a/s0 | slower | 1.2" in text
    assert "### Added" in text
    assert invoke(a, b, "--markdown", "--json").exit_code == 1


def test_cells_hold_anything():
    assert cell("a|b\n*c* [x](y) <b>") == "a\\|b \\*c\\* \\[x](y) \\<b>"


def test_a_header_is_of_the_store(tmp_path, rng):
    path = make_run(tmp_path, [case(0, noisy(rng))])
    assert RunHeader.parse(pq.read_schema(path).metadata[b"harness"]).suite == "s"

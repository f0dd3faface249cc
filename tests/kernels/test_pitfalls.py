"""Each pitfall is wrong where it should be, beside a right form that is not; and nothing ever recommends one."""

from __future__ import annotations

import io
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest
from example_suites import CPU, CUDA
from rich.console import Console
from typer.testing import CliRunner

import harness
from harness.cli import app
from harness.cli.summary import pitfall_lines, show_summary
from harness.derive import derive
from harness.errors import SuiteError
from harness.kernels import KERNELS, kernel
from harness.kernels.spec import PITFALL
from harness.plan import plan
from harness.record import COLUMNS
from harness.report.figures import FIGURES, draw
from harness.report.overview import overview
from harness.report.tidy import tidy
from harness.runner import RunResult
from harness.suite import load_suite

ROOT = Path(__file__).resolve().parents[2]
SUITES = sorted((ROOT / "suites").glob("pitfalls*.yaml"))
PITFALLS = [spec for spec in KERNELS if spec.role == PITFALL]
ON_CPU = [spec for spec in PITFALLS if spec.backend is None]
IDS = {"ids": lambda spec: f"{spec.op}-{spec.name}"}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    out = tmp_path_factory.mktemp("pitfalls")
    frames = [harness.run(path, device="cpu", out=out) for path in SUITES]
    return pd.concat([frame[frame["status"] != "skipped"] for frame in frames])


def test_there_are_many_and_the_first_suite_holds_ten():
    assert len(PITFALLS) >= 25
    assert len({case.kernel for case in _cases(SUITES[0]) if _is_pitfall(case)}) >= 10


@pytest.mark.parametrize("spec", ON_CPU, **IDS)
def test_a_pitfall_is_inaccurate_keeps_its_error_and_has_no_speed(spec, records):
    own = records[(records["op"] == spec.op) & (records["kernel"] == spec.name)]
    assert set(own["status"]) == {"inaccurate"}, own[["case", "status", "reason"]].to_string()
    assert set(own["kernel_role"]) == {PITFALL}
    assert own[["mse", "max_abs_error"]].notna().all(axis=None)
    assert own["time_s"].isna().all()
    if spec.op == "quantize":
        assert (own["code_mismatches"] > 0).all()


def test_right_forms_conform_on_the_same_data(records):
    right = records[records["kernel_role"] != PITFALL]
    assert set(right["status"]) == {"ok"}, right[["case", "status", "reason"]].to_string()


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_wrong_case_has_its_right_form_beside_it(path):
    cases = [case for case in _cases(path) if case.skip is None]
    right = {(case.shape, case.operands) for case in cases if case.kernel == "reference"}
    assert {(case.shape, case.operands) for case in cases if _is_pitfall(case)} == right


@pytest.mark.parametrize("spec", PITFALLS, **IDS)
def test_the_suites_run_every_pitfall(spec):
    cases = [case for path in SUITES for case in _cases(path)]
    own = [case for case in cases if (case.op, case.kernel) == (spec.op, spec.name)]
    assert own
    assert {case.skip for case in own} == {None}


def test_damage_is_not_that_of_the_scheme(records):
    """Where the SQNR tells, the wrong form loses: by tens of decibels in most cases."""
    key = ["op", "shape_name", "scheme"]
    wrong = records[(records["kernel_role"] == PITFALL) & (records["kernel"] != "fp8_without_clamp")]
    pairs = wrong.merge(records[records["kernel"] == "reference"], on=key, suffixes=("", "_right")).dropna(
        subset=["sqnr_db"]
    )
    pairs = pairs[pairs["op"] != "statistics"]
    loss = pairs["sqnr_db_right"] - pairs["sqnr_db"]
    assert (loss > -0.05).all(), pairs[[*key, "kernel"]][loss <= -0.05].to_string()
    assert (loss.groupby(pairs["kernel"]).max() > 3).sum() >= 12


def test_a_run_of_pitfalls_is_no_failure(tmp_path):
    suite = str(ROOT / "suites" / "pitfalls_fold_batch_norm.yaml")
    result = CliRunner().invoke(app, ["run", suite, "--device", "cpu", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "pitfalls: 2 of 2 cases inaccurate, as is expected of them" in result.output


@pytest.mark.parametrize(
    ("name", "axes", "reason"),
    [
        ("divide_twice", {"format": "nf4"}, "takes integer formats only, not nf4"),
        ("divide_twice", {"format": "int8", "symmetric": False}, "takes symmetric schemes only"),
        ("divide_twice", {"format": "int8", "range": "dynamic"}, "takes no dynamic range of the tensor"),
        ("signed_offset", {"format": "int8"}, "takes schemes with a zero point only"),
        ("cast_before_clamp", {"format": "int4"}, "takes no tensor of format int4"),
        ("fp4_by_comparison", {"format": "fp8_e4m3"}, "takes no tensor of format fp8_e4m3"),
        ("shared_byte", {"format": "int8"}, "takes no tensor of format int8"),
        ("shared_byte", {"format": "int4", "range": "dynamic"}, "takes a static range only"),
        ("shared_byte", {"format": "int4", "scale_format": "bf16"}, "takes scales of f32 only"),
        ("block_barrier", {"format": "int8"}, "takes a dynamic range only"),
        ("float_bits", {"format": "int8", "range": "dynamic"}, "takes schemes with a zero point only"),
        ("warp_range", {"format": "int8", "range": "dynamic"}, "takes no tensor scaled per_tensor"),
    ],
)
def test_what_a_pitfall_does_not_take_is_skipped_with_the_reason(name, axes, reason):
    (case,) = plan(load_suite(_suite(name, axes)), CUDA)
    assert case.skip == reason


def _suite(name, axes):
    shapes = [{"name": "a", "rows": 4, "cols": 4}]
    return {"name": "s", "op": "quantize", "shapes": shapes, "matrix": {"kernel": name, **axes}}


# Never recommended.


@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "suites").glob("*.yaml")) - set(SUITES)), ids=lambda path: path.stem
)
def test_other_suites_run_none(path):
    assert not [case for case in _cases(path) if _is_pitfall(case)]


def test_none_can_be_a_baseline():
    suite = _suite("reference", {"format": "int8"})
    for spec in PITFALLS:
        if spec.op == "quantize":
            with pytest.raises(SuiteError, match="must be a known kernel of quantize on"):
                load_suite({**suite, "baseline": {spec.backend or "cpu": spec.name}})
    assert load_suite({**suite, "baseline": {"cpu": "reference"}}).baseline == (("cpu", "reference"),)


def _row(case_id, role, **values):
    """An ok record of one problem; pitfalls are better than all others, and faster."""
    best = role == PITFALL
    row = dict.fromkeys(COLUMNS) | {
        "case_id": case_id, "case": case_id, "status": "ok", "kernel_role": role, "kernel": f"the_{role}", "op": "quantize",
        "suite": "s", "run_id": "r", "backend": "cpu", "device": "cpu", "shape_name": "a", "data": "normal", "rows": 4,
        "cols": 4, "dtype": "f32", "format": "int8", "granularity": "per_tensor", "calibration": "minmax",
        "scheme": "int8/per_tensor", "sqnr_db": 90.0 if best else 40.0, "mse": 1e-3, "rounding_mse": 1e-3,
        "clipping_mse": 0.0, "worst_block_sqnr_db": 30.0, "bits_per_element": 1.0 if best else 8.0,
        "time_s": 1e-6 if best else 1e-3, "speedup": 9.0 if best else 1.0, "bytes_per_s": 1e9, "flops_per_s": 1e9,
        "fraction_of_peak": 0.5,
    }  # fmt: skip
    return row | values


ROWS = (_row("1", "kernel"), _row("2", "peer"), _row("3", PITFALL), _row("4", PITFALL, scheme="magic"))


def test_none_is_among_the_best_schemes_of_a_site():
    (best,) = overview(tidy(pd.DataFrame(ROWS))).best
    shown = {row.kernel for row in (*best.by_accuracy, *best.by_speed)}
    assert shown
    assert "the_pitfall" not in shown
    assert "magic" not in {row.scheme for row in (*best.by_accuracy, *best.by_speed)}


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.name)
def test_none_is_in_a_figure(spec):
    """Whatever the figure would have said of them, it says the same without them."""
    all_of_them, right = (draw(spec, tidy(pd.DataFrame(rows))) for rows in (ROWS, ROWS[:2]))
    assert [each.key for each in all_of_them.shown] == [each.key for each in right.shown]
    for one, other in zip(all_of_them.shown, right.shown, strict=True):
        assert one.absent == other.absent
        assert "the_pitfall" not in str(one.figure)
        assert "magic" not in str(one.figure)


def test_none_is_the_best_peer():
    assert {row["best_peer"] for row in derive(ROWS)} == {"the_peer"}


def _summary(rows):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    show_summary(RunResult("r", "s", CPU, Path("x.parquet"), tuple(rows), complete=True), console)
    return console.file.getvalue()


def test_none_is_among_the_best_schemes_of_a_summary():
    tables, _, rest = _summary(ROWS).partition("4 cases")
    assert "the_kernel" in tables
    assert "the_pitfall" not in tables
    assert "pitfall the_pitfall: none of its 2 cases shows what is wrong with it (2 ok)" in rest


def test_the_summary_says_which_pitfalls_showed_nothing():
    rows = [
        _row("1", PITFALL, status="inaccurate"),
        _row("2", PITFALL),
        _row("3", PITFALL, kernel="harmless"),
        _row("4", PITFALL, kernel="broken", status="crashed"),
        _row("5", PITFALL, kernel="elsewhere", status="skipped", reason="needs the cuda backend"),
        _row("6", "kernel", status="inaccurate"),
    ]
    assert pitfall_lines(rows) == [
        "pitfalls: 1 of 4 cases inaccurate, as is expected of them",
        "pitfall broken: none of its 1 cases shows what is wrong with it (1 crashed)",
        "pitfall harmless: none of its 1 cases shows what is wrong with it (1 ok)",
    ]
    assert pitfall_lines(rows[-1:]) == []


# Documented.


def test_every_pitfall_has_a_paragraph_and_a_comment_at_its_wrong_line():
    page = (ROOT / "docs" / "pitfalls.md").read_text()
    assert re.findall(r"^### `(\w+)`\n\S", page, re.MULTILINE) == [spec.name for spec in PITFALLS]
    folder = ROOT / "harness" / "kernels" / "pitfalls"
    sources = [path.read_text() for path in folder.iterdir() if path.suffix in (".py", ".cu")]
    assert sum(len(re.findall(r"(#|//) wrong: ", source)) for source in sources) >= len(PITFALLS)


def test_the_table_of_damage_is_current_and_holds_every_pitfall():
    page = runpy.run_path(str(ROOT / "docs" / "make_pitfalls.py"))
    text = (ROOT / "docs" / "pitfalls.md").read_text()
    made = page["table"](page["reference_results"]())
    assert page["with_table"](text, made) == text, "run python docs/make_pitfalls.py"
    lines = {line.split("`")[1]: line for line in made.splitlines()[2:]}
    assert list(lines) == [spec.name for spec in PITFALLS]
    assert not [name for name in (spec.name for spec in ON_CPU) if "not measured" in lines[name]]


def _cases(path):
    return plan(load_suite(path), CUDA)


def _is_pitfall(case):
    return kernel(case.op, case.kernel).role == PITFALL

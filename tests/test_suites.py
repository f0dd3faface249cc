"""The catalogue: every suite loads, what it skips is expected, and together they hold everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.backends import find_device
from harness.kernels import KERNELS
from harness.numerics.formats import FORMATS
from harness.numerics.granularity import GRANULARITIES
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import CALIBRATIONS, SCHEMES
from harness.plan import plan
from harness.suite import load_suite

ROOT = Path(__file__).resolve().parent.parent
SUITES = sorted((ROOT / "suites").glob("*.yaml"))

EXPECTED_SKIPS = (
    r"needs the cuda backend",
    r"no kernel of the cpu backend takes it",
    r"needs a quantized (weight|activation)",
    r"takes the activation unquantized",
    r"takes no (weight|activation|tensor) of format \w+",
    r"takes no (weight|activation|tensor) scaled per_\w+",
    r"takes no dynamic range of the activation",
    r"takes tensors of f32 only",
    r"a dynamic range is that of DynamicQuantizeLinear: .*",
    r"takes groups of 16, 32, 64, … \(powers of two\)",
    r"takes signed activations with signed weights only, on CPUs with VNNI",
    r"kl needs blocks of at least 2048 elements",
    r"kl needs more bins than the \d+ levels of \w+",
)


def _cases(path):
    return plan(load_suite(path), find_device("cpu"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_skips_are_expected(path):
    reasons = {case.skip for case in _cases(path) if case.skip}
    unexpected = {reason for reason in reasons if not any(re.fullmatch(rule, reason) for rule in EXPECTED_SKIPS)}
    assert not unexpected


def test_together_they_hold_everything():
    running = [case for path in SUITES for case in _cases(path) if case.skip is None]
    schemes = [operand.scheme for case in running for operand in case.operands if operand.scheme]
    assert {scheme.format for scheme in schemes} == set(FORMATS)
    assert {scheme.blocks.kind for scheme in schemes} == {name.partition(":")[0] for name in GRANULARITIES}
    assert {scheme.calibrator.kind for scheme in schemes} == set(CALIBRATIONS)
    assert {scheme.scale_format for scheme in schemes} == set(SCALE_FORMATS)
    assert {case.scheme for case in running} >= set(SCHEMES)


def test_cpu_kernels_of_products_and_quantize_are_used():
    used = {(case.op, case.kernel) for path in SUITES for case in _cases(path) if case.skip is None}
    wanted = {(s.op, s.name) for s in KERNELS if s.op in ("gemm", "quantize") and s.backend in (None, "cpu")}
    assert wanted <= used


def test_gemm_has_enough_cases():
    running = [case for case in _cases(ROOT / "suites" / "gemm.yaml") if case.skip is None]
    real = [case for case in running if re.match(r"(minilm|rapidocr|whisper)\.", case.shape.name)]
    assert len(running) >= 100
    assert len(real) >= 20
    assert {case.shape.name.split(".")[0] for case in real} == {"minilm", "rapidocr", "whisper"}


def test_smoke_runs_and_every_row_is_as_planned(tmp_path):
    frame = harness.run(ROOT / "suites" / "smoke.yaml", out=tmp_path)
    assert set(frame["status"]) == {"ok", "skipped"}, frame[["case", "status", "reason"]].to_string()
    ok = frame[frame["status"] == "ok"]
    assert len(ok) >= 30
    assert ok["sqnr_db"].notna().all()
    assert (ok["time_s"] > 0).all()
    assert ok["speedup"].notna().all()
    assert frame[frame["status"] == "skipped"]["time_s"].isna().all()

"""What becomes of codes whose kernel found its own scales: counted against the oracle's, read with the kernel's."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import CPU

from harness.kernels.quantize.oracle import FAMILY, Codes
from harness.kernels.tensors import Tensors
from harness.numerics.quantize import dequantize, quantize
from harness.plan import plan
from harness.suite import load_suite


@pytest.fixture
def problem():
    suite = {
        "name": "q",
        "op": "quantize",
        "shapes": [{"name": "s", "rows": 3, "cols": 40}],
        "matrix": {"kernel": "reference", "format": "int8", "granularity": "per_token", "symmetric": False},
    }
    (case,) = plan(load_suite(suite), CPU)
    return FAMILY.problem(case, Tensors())


def test_right_codes_with_right_parameters_conform(problem):
    q = problem.quantized
    verdict = FAMILY.judge(problem, Codes(q.codes, q.params.scale.ravel(), q.params.zero_point.ravel()))
    assert (verdict.reason, verdict.mismatches) == (None, 0)


def test_a_wrong_scale_is_named_and_the_codes_are_counted(problem):
    q = problem.quantized
    scale, codes = q.params.scale.copy(), q.codes.copy()
    scale[1] *= 2
    codes[0, :3] ^= 1
    verdict = FAMILY.judge(problem, Codes(codes, scale, q.params.zero_point))
    assert verdict.reason == f"scale {scale[1, 0]} differs from {q.params.scale[1, 0]}"
    assert verdict.mismatches == 3
    assert "2 scales, expected 3" in FAMILY.judge(problem, Codes(codes, scale[:2])).reason
    zero = q.params.zero_point + 1
    assert "zero point" in FAMILY.judge(problem, Codes(codes, q.params.scale, zero)).reason


def test_accuracy_reads_codes_with_the_scales_that_were_found(problem):
    """A range twice as wide costs a bit. Read with the oracle's scale the same codes would have lost half of each value."""
    right = problem.quantized
    wide = np.concatenate([problem.values * 2, problem.values], axis=1)
    other = quantize(wide, right.scheme)
    codes = other.codes[:, 40:]
    found = FAMILY.accuracy(problem, Codes(codes, other.params.scale, other.params.zero_point))
    own = FAMILY.accuracy(problem, Codes(right.codes))
    assert own["sqnr_db"] - found["sqnr_db"] == pytest.approx(6, abs=1.5)
    assert FAMILY.accuracy(problem, Codes(codes))["sqnr_db"] < 10
    values = dequantize(other)[:, 40:].astype(np.float64)
    assert found["mse"] == pytest.approx(np.mean((values - problem.values) ** 2))

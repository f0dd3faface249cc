"""The families of gradients: the reference conforms, and what is wrong by a little does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import harness
from harness.backends import find_device
from harness.kernels.fake_quantize_backward.oracle import LSQ, REFERENCE, STE
from harness.kernels.tensors import Tensors
from harness.plan import plan
from harness.suite import load_suite

FAMILIES = {"ste_backward": STE, "lsq_backward": LSQ}
CPU = find_device("cpu")


def _suite(op, **more):
    return {
        "name": op,
        "op": op,
        "shapes": [{"name": "odd", "rows": 33, "cols": 131}],
        "matrix": {"kernel": "reference", "format": "int4", "calibration": "percentile:90"},
        "measure": {"l2": "hot", "min_samples": 1, "max_time_s": 0.01},
        **more,
    }


def _problem(op, **matrix):
    suite = _suite(op)
    case = plan(load_suite({**suite, "matrix": {**suite["matrix"], **matrix}}), CPU)[0]
    assert case.skip is None
    return FAMILIES[op].problem(case, Tensors())


def _output(problem):
    kernel = REFERENCE(problem, CPU)
    kernel.launch()
    return kernel.output()


@pytest.mark.parametrize("op", FAMILIES)
def test_the_reference_conforms(op, tmp_path):
    shapes = [
        {"name": "odd", "rows": 33, "cols": 131, "dtype": ["f32", "bf16"]},
        {"name": "one", "rows": 1, "cols": 1},
        {"name": "line", "shape": [257]},
        {"name": "nchw", "shape": [2, 3, 5, 7], "channel_axis": 1},
        {"name": "huge", "rows": 5, "cols": 64, "tensor": {"distribution": "normal", "std": 1e38}},
        {"name": "denormal", "rows": 3, "cols": 40, "tensor": {"distribution": "uniform", "low": 0, "high": 1e-45}},
    ]
    matrix = {
        "kernel": "reference",
        "format": ["int8", "uint8", "int4", "int2"],
        "granularity": ["per_tensor", "per_channel", "per_token", "per_group:32", "per_block:2x16"],
        "symmetric": [True, False],
        "calibration": ["minmax", "percentile:90"],
    }
    frame = harness.run(_suite(op, shapes=shapes, matrix=matrix), out=tmp_path)
    assert set(frame["status"]) <= {"ok", "skipped"}, frame[["case", "reason"]].to_string()
    ok = frame[frame["status"] == "ok"]
    assert ok["kernel"].size >= 7 * 4 * 5
    assert ok["bound_used"].max() < 0.1, "f32 of the float64 sums"
    skipped = frame[frame["status"] == "skipped"]
    assert skipped.empty == (op == "ste_backward")
    assert set(skipped["reason"]) <= {"learns scales of symmetric schemes only"}


@pytest.mark.parametrize(
    ("op", "axes", "reason"),
    [
        ("ste_backward", {"format": "fp8_e4m3"}, "differentiates integer formats only, not fp8_e4m3"),
        ("ste_backward", {"range": "dynamic"}, "takes no dynamic range of the tensor"),
        ("lsq_backward", {"scale_format": "e8m0"}, "learns scales of f32, not e8m0"),
    ],
)
def test_what_is_not_learned_is_skipped(op, axes, reason):
    suite = _suite(op, matrix={"kernel": "reference", "format": "int4", **axes})
    cases = plan(load_suite(suite), CPU)
    assert [case.skip for case in cases] == [reason]


@pytest.mark.parametrize("op", FAMILIES)
def test_a_gradient_that_is_off_does_not_conform(op):
    problem = _problem(op, granularity="per_channel")
    family, right = FAMILIES[op], _output(problem)
    assert family.judge(problem, right).conforms
    values = right.values.copy()
    values[3, 5] += 1
    assert "(3, 5)" in family.judge(problem, replace(right, values=values)).reason
    scale = right.scale.copy()
    scale[7] *= np.float32(1.001)
    assert "scales exceed the bound, the first at 7" in family.judge(problem, replace(right, scale=scale)).reason
    assert "shape" in family.judge(problem, replace(right, scale=right.scale[1:])).reason
    assert "shape" in family.judge(problem, replace(right, values=values[1:])).reason


def test_zero_points_are_judged_too():
    problem = _problem("ste_backward", symmetric=False)
    right = _output(problem)
    assert "one of output and oracle only" in STE.judge(problem, replace(right, zero_point=None)).reason
    off = replace(right, zero_point=right.zero_point + np.float32(1))
    assert "zero_points exceed the bound" in STE.judge(problem, off).reason


def test_swapped_bounds_do_not_conform():
    """LSQ with -Q_N and Q_P exchanged: a mistake that is easily made."""
    problem = _problem("lsq_backward")
    of = problem.derivatives
    swapped = replace(of, by_scale=np.where(of.inside, of.by_scale, -of.by_scale)).gradients(problem.upstream)
    assert not LSQ.judge(problem, swapped).conforms


def test_a_running_sum_in_f32_over_a_large_block_does_not_conform():
    suite = _suite("ste_backward", shapes=[{"name": "large", "rows": 1024, "cols": 4096}])
    problem = STE.problem(plan(load_suite(suite), CPU)[0], Tensors())
    right = _output(problem)
    # Terms of one sign, so that the sum grows and its last bits stay behind.
    problem = replace(problem, upstream=np.sign(problem.derivatives.by_scale).astype(np.float32))
    terms = (problem.upstream * problem.derivatives.by_scale).astype(np.float32).ravel()
    running = np.add.accumulate(terms, dtype=np.float32)[-1:].reshape(1, 1)
    values = problem.expected.values
    assert STE.judge(problem, replace(right, values=values, scale=problem.expected.scale)).conforms
    assert not STE.judge(problem, replace(right, values=values, scale=running)).conforms


def test_upstream_is_of_the_tensors_type_and_the_same_each_time():
    suite = _suite("ste_backward", shapes=[{"name": "s", "rows": 3, "cols": 64, "dtype": "bf16"}])
    case = plan(load_suite(suite), CPU)[0]
    one, other = (STE.problem(case, Tensors()).upstream for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert not (one.view(np.uint32) & 0xFFFF).any()

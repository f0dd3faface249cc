"""Which requests the CUDA kernels of calibration take, how they walk, and what the judge of calibrations lets pass."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels.calibration.ema_program import ema_program, share_batches, specialise_ema_minmax, takes_ema_minmax
from harness.kernels.calibration.mse_program import mse_program, specialise_mse, takes_mse
from harness.kernels.calibration.oracle import FAMILY
from harness.kernels.calibration.program import (
    calibration_program,
    percentile_program,
    percentile_ratio,
    specialise_kl,
    specialise_minmax,
    specialise_percentile,
    takes_kl,
    takes_minmax,
    takes_percentile,
)
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.spec import OperandPlan, Request
from harness.numerics.calibrate import QuantParams
from harness.numerics.quantize import quantize
from harness.numerics.scales import Scales
from harness.numerics.scheme import OperandScheme


def _request(shape: tuple[int, ...] = (64, 4096), dtype: str = "f32", channel_axis: int = 0, **scheme: Any) -> Request:
    return {"tensor": OperandPlan(shape, OperandScheme(**scheme), channel_axis, dtype)}


def _layout(request: Request) -> tuple[Any, ...]:
    plan = request["tensor"]
    return plan.scheme, plan.scheme.blocks.tiling(plan.shape, plan.channel_axis), plan.dtype


TEAMS = {
    # granularity, shape, channel axis, type → threads that have a block together
    ("per_tensor", (64, 4096), 0, "f32"): 256,
    ("per_channel", (64, 4096), 0, "bf16"): 256,
    ("per_group:128", (64, 4096), 0, "f32"): 16,
    ("per_group:128", (64, 4096), 0, "bf16"): 8,
    ("per_group:32", (64, 4096), 0, "f32"): 4,
    ("per_group:7", (64, 4095), 0, "f32"): 4,
    ("per_channel", (3000, 24), 1, "f32"): 8,
    ("per_channel", (3000, 4096), 1, "f32"): 256,
    ("per_block:128x128", (512, 4096), 0, "f32"): 256,
}


@pytest.mark.parametrize(("key", "expected"), TEAMS.items(), ids=map(str, TEAMS))
def test_teams(key, expected):
    granularity, shape, axis, dtype = key
    found = calibration_program(*_layout(_request(shape, dtype, axis, granularity=granularity)))
    assert found is not None
    assert found.team == expected


@pytest.mark.parametrize(
    ("granularity", "dtype", "held"),
    [
        ("per_group:32", "f32", 8),
        ("per_group:7", "f32", 1),
        ("per_group:1024", "bf16", 0),
        ("per_group:512", "f32", 32),
        ("per_channel", "f32", 0),
    ],
)
def test_a_warp_holds_the_keys_of_small_blocks(granularity, dtype, held):
    request = _request((64, 4095 if granularity.endswith(":7") else 4096), dtype, granularity=granularity)
    program, found = percentile_program(*_layout(request))
    assert (found, program.team) == (held, 32 if held else 256)
    if held:
        per_lane = -(-program.block_elements // (32 * max(1, program.program.width))) * max(1, program.program.width)
        assert per_lane <= held


@pytest.mark.parametrize(("text", "ratio"), [("99.9", (999, 1000)), ("100", (1, 1)), ("99.99999", (9999999, 10000000))])
def test_percentiles_are_exact_ratios(text, ratio):
    assert percentile_ratio(OperandScheme(calibration=f"percentile:{text}")) == ratio


BATCHES = {
    # granularity, shape, channel axis, calibration → width, team, batches of a block, vectors (rows) and threads of a batch
    ("per_tensor", (64, 4096), 0, "ema_minmax"): (4, 256, 64, 1024, 32),
    ("per_tensor", (64, 4097), 0, "ema_minmax"): (0, 256, 64, 4097, 32),
    ("per_tensor", (10, 1), 0, "ema_minmax:0.1,4"): (0, 2, 4, 3, 2),
    ("per_tensor", (9, 1), 0, "ema_minmax:0.1,6"): (0, 1, 5, 2, 1),
    ("per_channel", (64, 4096), 0, "ema_minmax:0.1,1000"): (0, 256, 820, 5, 4),
    ("per_channel", (64, 4096), 0, "ema_minmax:0.1,128"): (4, 256, 128, 8, 4),
    ("per_group:128", (64, 4096), 0, "ema_minmax:0.1,4"): (4, 4, 4, 8, 4),
    ("per_group:128", (64, 4096), 0, "ema_minmax"): (0, 1, 64, 2, 1),
    ("per_channel", (3000, 24), 1, "ema_minmax:0.1,7"): (4, 8, 7, 429, 1),
}


@pytest.mark.parametrize(("key", "expected"), BATCHES.items(), ids=map(str, BATCHES))
def test_batches_are_dealt_whole(key, expected):
    granularity, shape, axis, calibration = key
    request = _request(shape, channel_axis=axis, granularity=granularity, calibration=calibration)
    found = ema_program(*_layout(request))
    walk = found.program
    assert (walk.program.width, walk.team, found.batches, found.batch, found.group) == expected
    elements = found.batch * (1 if walk.is_column else max(1, walk.program.width))
    assert (found.batches - 1) * elements < walk.block_elements <= found.batches * elements


@pytest.mark.parametrize("batches", [1, 3, 64, 100, 1000])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_no_group_of_threads_has_a_second_unit_for_want_of_a_few(granularity, batches):
    shape = (64, 1 << 16)
    request = _request(shape, granularity=granularity, calibration=f"ema_minmax:0.1,{batches}")
    plan = ema_program(*_layout(request))
    blocks = 1 if granularity == "per_tensor" else 64
    shares = share_batches(plan, blocks, 64 << 16, 1 << 18)
    groups = shares.parts * (256 // plan.group)
    assert shares.grid == blocks * shares.parts
    assert shares.splits == 1 or plan.batches * shares.splits <= groups
    assert shares.grid * 256 <= 2 << 18


def test_columns_share_the_rows_of_their_batches():
    request = _request((1 << 16, 24), channel_axis=1, granularity="per_channel", calibration="ema_minmax:0.1,8")
    plan = ema_program(*_layout(request))
    shares = share_batches(plan, 24, 24 << 16, 1 << 18)
    assert shares.grid == (1, 8 * shares.splits)
    assert 1 < shares.splits <= 8192 // (16 * 32)


@pytest.mark.parametrize(
    ("element", "elements", "points"),
    [
        ("int8", 4096, 4096),
        ("uint8", 32, 4096),
        ("int4", 128, 512),
        ("fp8_e4m3", 128, 512),
        ("nf4", 1 << 24, 512),
        ("int8", 1 << 24, 1024),
    ],
)
def test_the_search_has_more_scales_where_errors_are_jagged(element, elements, points):
    found = mse_program(*_layout(_request((1, elements), format=element, calibration="mse")))
    assert found.points == points
    assert found.points % 16 == 0
    assert found.steps == 1 + points // 16 + 5


def test_powers_of_two_are_all_tried():
    found = mse_program(*_layout(_request(granularity="per_group:32", scale_format="e8m0", calibration="mse")))
    assert found.steps == 2
    affine = _request(granularity="per_group:32", scale_format="e8m0", calibration="mse", symmetric=False)
    assert mse_program(*_layout(affine)).steps == 2 * (20 + 1)


@pytest.mark.parametrize(
    ("element", "elements", "points"),
    [("uint8", 16, 32768), ("int8", 17, 4096), ("int4", 7, 2048), ("int2", 7, 512), ("int4", 17, 512)],
)
def test_zero_points_double_the_reads_and_tiny_blocks_have_more_scales(element, elements, points):
    found = mse_program(*_layout(_request((1, elements), format=element, calibration="mse", symmetric=False)))
    assert found.points == points
    assert found.steps == 2 * 14 + 1 + 2 * (points // 16 + 7)


REFUSED = {
    "another calibration": (takes_minmax, _request(calibration="kl"), "calibrates by minmax, not kl"),
    "nothing": (takes_minmax, {"tensor": OperandPlan((4, 4), None)}, "needs a quantized tensor"),
    "a dynamic range": (takes_minmax, _request(range="dynamic"), "takes no dynamic range of the tensor"),
    "asymmetric e4m3": (
        takes_minmax,
        _request(symmetric=False, scale_format="e4m3"),
        "makes e4m3 scales for symmetric codes only",
    ),
    "many decimals": (
        takes_percentile,
        _request(calibration="percentile:99.999999999"),
        "takes percentiles of at most seven decimals",
    ),
    "many batches": (
        takes_ema_minmax,
        _request(calibration="ema_minmax:0.1,1025"),
        "holds the ranges of at most 1024 batches in shared memory",
    ),
    "the observed range": (takes_ema_minmax, _request(), "calibrates by ema_minmax, not minmax"),
    "many bins": (
        takes_kl,
        _request(calibration="kl:8192"),
        "holds histograms of at most 4096 bins in shared memory",
    ),
    "levels of kl": (takes_kl, _request(calibration="kl", scale_format="e4m3"), "makes no scales of two levels"),
    "levels of mse": (takes_mse, _request(calibration="mse", scale_format="e4m3"), "makes no scales of two levels"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_refused_with_the_reason(label):
    takes, request, reason = REFUSED[label]
    assert takes(request, CUDA) == reason


def test_taken():
    assert takes_minmax(_request(format="int3", granularity="per_block:3x5", symmetric=False), CUDA) is None
    assert takes_ema_minmax(_request(calibration="ema_minmax:0.1,1024", scale_format="e4m3"), CUDA) is None
    assert takes_percentile(_request(calibration="percentile:99.99", scale_format="e4m3"), CUDA) is None
    assert takes_kl(_request(calibration="kl:4096", granularity="per_channel", symmetric=False), CUDA) is None
    assert takes_mse(_request(format="nf4", granularity="per_group:64", calibration="mse"), CUDA) is None
    assert (
        takes_mse(_request(format="int4", granularity="per_group:64", symmetric=False, calibration="mse"), CUDA) is None
    )


def test_compilations_differ_by_what_they_walk_and_make():
    macros = dict(specialise_minmax(_request(format="int3", granularity="per_group:32")).macros)
    assert (macros["ELEMENT"], macros["LAYOUT"], macros["TEAM"]) == ("0", "1", "4")
    assert "BITS" not in macros  # formats share their compilations
    macros = dict(specialise_ema_minmax(_request(format="uint8", calibration="ema_minmax:0.1,7")).macros)
    assert (macros["WIDTH"], macros["GROUP"], macros["TEAM"], macros["UNSIGNED"]) == ("0", "32", "256", "1")
    macros = dict(specialise_percentile(_request(format="uint8", calibration="percentile:99")).macros)
    assert (macros["HELD"], macros["COPIES"], macros["UNSIGNED"]) == ("0", "4", "1")
    macros = dict(specialise_kl(_request(granularity="per_channel", calibration="kl:4096")).macros)
    assert (macros["BINS"], macros["COPIES"]) == ("4096", "1")
    macros = dict(specialise_mse(_request(format="fp8_e4m3", calibration="mse")).macros)
    assert (macros["ELEMENT"], macros["EXPONENT"], macros["BITS"]) == ("2", "4", "8")


def _problem(**scheme: Any) -> TensorProblem:
    x = np.random.default_rng(5).standard_normal((8, 256), dtype=np.float32)
    quantized = quantize(x, OperandScheme(**{"granularity": "per_channel", "calibration": "mse", **scheme}))
    return TensorProblem(x, quantized, 8.0)


def _scaled(problem: TensorProblem, factor: float) -> QuantParams:
    params = problem.quantized.params
    return dataclasses.replace(params, scales=Scales((params.scale * np.float32(factor)).astype(np.float32)))


def test_the_least_squared_error_is_judged_by_the_error():
    problem = _problem(format="int4")
    assert FAMILY.judge(problem, problem.quantized.params).bound_used == 0
    near = FAMILY.judge(problem, _scaled(problem, 1.0001))
    assert near.conforms
    assert 0 < near.bound_used < 1
    far = FAMILY.judge(problem, _scaled(problem, 1.05))
    assert "8 of 8 scales have too large an error" in far.reason


def test_one_bad_block_is_found():
    problem = _problem(format="int4")
    scale = problem.quantized.params.scale.copy()
    scale[3] *= np.float32(1.2)
    assert "1 of 8 scales" in FAMILY.judge(problem, QuantParams(Scales(scale), None)).reason


def test_scales_of_a_search_must_be_scales():
    problem = _problem(format="int4", scale_format="bf16")
    assert FAMILY.judge(problem, _scaled(problem, 1.0001)).reason == "scales are no values of bf16"
    assert FAMILY.judge(problem, _scaled(problem, -1)).reason == "scales must be positive and finite"
    assert FAMILY.judge(problem, _scaled(problem, np.nan)).reason == "scales must be positive and finite"
    short = QuantParams(Scales(problem.quantized.params.scale[:4]), None)
    assert FAMILY.judge(problem, short).reason == "scales have shape (4, 1), expected (8, 1)"


def test_other_calibrations_are_exact():
    problem = _problem(calibration="minmax")
    assert FAMILY.judge(problem, problem.quantized.params).conforms
    assert "scales differ" in FAMILY.judge(problem, _scaled(problem, 1 + 2**-22)).reason

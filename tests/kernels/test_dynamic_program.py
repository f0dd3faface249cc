"""Which requests the dynamic CUDA kernels take, and the teams that hold blocks. No GPU is needed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from example_suites import CUDA

from harness.kernels.quantize.dynamic_program import (
    OnePass,
    one_pass,
    specialise_one_pass,
    specialise_two_pass,
    takes_one_pass,
    takes_two_pass,
)
from harness.kernels.spec import OperandPlan, Request
from harness.numerics.scheme import OperandScheme


def _request(shape: tuple[int, ...] = (64, 4096), dtype: str = "f32", channel_axis: int = 0, **scheme: Any) -> Request:
    return {"tensor": OperandPlan(shape, OperandScheme(**{"range": "dynamic", **scheme}), channel_axis, dtype)}


def _one_pass(request: Request) -> OnePass:
    plan = request["tensor"]
    found = one_pass(plan.scheme, plan.scheme.blocks.tiling(plan.shape, plan.channel_axis), plan.dtype)
    assert found is not None
    return found


HELD = {
    # granularity, shape, type → lanes, threads, loads each, blocks
    ("per_token", (64, 4096), "f32"): (256, 256, 2, 64),
    ("per_token", (64, 8192), "bf16"): (256, 256, 2, 64),
    ("per_token", (64, 8192), "f32"): (512, 512, 2, 64),
    ("per_token", (4, 32768), "f32"): (1024, 1024, 4, 4),
    ("per_token", (5, 100), "f32"): (16, 256, 2, 5),
    ("per_group:32", (64, 4096), "f32"): (4, 256, 1, 8192),
    ("per_group:128", (64, 4096), "bf16"): (8, 256, 1, 2048),
    ("per_group:64", (3, 100), "f32"): (8, 256, 2, 6),
    ("per_block:128x128", (512, 4096), "bf16"): (512, 512, 2, 128),
    ("per_block:128x128", (500, 4000), "f32"): (512, 512, 4, 128),
    ("per_block:4x32", (64, 4096), "f32"): (16, 256, 1, 2048),
    ("per_tensor", (16, 1024), "f32"): (512, 512, 4, 1),
}  # fmt: skip


@pytest.mark.parametrize(("key", "expected"), HELD.items(), ids=map(str, HELD))
def test_teams_hold_their_blocks(key, expected):
    granularity, shape, dtype = key
    request = _request(shape, dtype, granularity=granularity)
    assert takes_one_pass(request, CUDA) is None
    found = _one_pass(request)
    team = found.team
    assert (team.lanes, team.threads, team.held, found.blocks) == expected


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("element", ["int8", "int2", "binary", "fp6_e2m3", "fp4_e2m1"])
@pytest.mark.parametrize("granularity", ["per_token", "per_group:32", "per_group:128", "per_block:8x64"])
@pytest.mark.parametrize("cols", [32, 128, 1024, 16384])
def test_a_team_has_room_for_a_block_in_registers(granularity, element, dtype, cols):
    request = _request((24, cols), dtype, granularity=granularity, format=element)
    found = _one_pass(request)
    team, vectors = found.team, found.block_rows * found.block_columns
    assert team.lanes * team.held >= vectors > team.lanes * (team.held - 1)
    assert team.held * found.program.width * (4 if dtype == "f32" else 2) <= 8 * 16
    assert team.threads % team.lanes == 0
    if found.block_rows > 1:
        assert team.lanes % found.block_columns == 0
    tiling = request["tensor"].scheme.blocks.tiling((24, cols), 0)
    assert found.blocks == math.prod(tiling.grid)


TOO_LARGE = "holds a block in registers: one to 8192 loads of 16 bytes, rows and blocks of whole loads"
REFUSED = {
    "a tensor's range": (_request(granularity="per_tensor"), TOO_LARGE),
    "columns": (_request(granularity="per_channel", channel_axis=1), TOO_LARGE),
    "rows that end anywhere": (_request((64, 77), granularity="per_token"), TOO_LARGE),
    "groups that end anywhere": (_request(granularity="per_group:7"), TOO_LARGE),
    "whole rows of blocks": (_request(granularity="per_block:128x*"), TOO_LARGE),
    "a given range": (_request(range="static"), "finds the range itself: takes no static range of the tensor"),
    "calibrations": (_request(calibration="percentile:99"), "finds the observed range, not percentile:99"),
    "other widths": (_request(format="int3"), "packs no codes of 3 bits"),
    "nothing": ({"tensor": OperandPlan((4, 4), None)}, "needs a quantized tensor"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_refused_with_the_reason(label):
    request, reason = REFUSED[label]
    assert takes_one_pass(request, CUDA) == reason


def test_two_passes_take_every_granularity_and_no_second_level_of_scales():
    for text in ("per_tensor", "per_channel", "per_token", "per_group:7", "per_block:3x5", "per_block:128x*"):
        assert takes_two_pass(_request((33, 77), granularity=text), CUDA) is None
    assert takes_two_pass(_request(scale_format="e4m3"), CUDA) == "makes no scales of two levels"
    assert takes_one_pass(_request(scale_format="e4m3", granularity="per_group:16"), CUDA) is None


def test_compilations_are_told_how_scales_are_made():
    macros = dict(
        specialise_one_pass(_request(granularity="per_group:32", format="uint8", scale_format="e8m0_rceil")).macros
    )
    assert (macros["UNSIGNED"], macros["ROUND_UP"], macros["SCALE"], macros["TALL"]) == ("1", "1", "3", "0")
    assert "LAYOUT" not in macros
    macros = dict(specialise_two_pass(_request(granularity="per_block:*x64", symmetric=False)).macros)
    assert (macros["UNSIGNED"], macros["ROUND_UP"], macros["ASYMMETRIC"], macros["LAYOUT"]) == ("0", "0", "1", "2")

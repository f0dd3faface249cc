"""cupy.partition's peer: which requests it takes; and its arithmetic, on NumPy, which spells it the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels.calibration.cupy_peer import partition_scales, takes_partition
from harness.kernels.spec import OperandPlan
from harness.numerics.calibrate import calibrate
from harness.numerics.scheme import OperandScheme

REFUSED = {
    "another calibration": ({}, "f32", "calibrates by percentile, not minmax"),
    "bf16": ({"calibration": "percentile:99"}, "bf16", "takes no tensor of bf16: cupy has no such type"),
    "short blocks": (
        {"calibration": "percentile:99", "granularity": "per_group:100"},
        "f32",
        "takes blocks that are all of one size",
    ),
    "no zero": ({"calibration": "percentile:99", "format": "binary"}, "f32", "takes formats that have a zero"),
    "other scales": (
        {"calibration": "percentile:99", "scale_format": "bf16"},
        "f32",
        "takes scales of f32, not bf16",
    ),
}


def _plan(dtype: str = "f32", **scheme: Any) -> dict[str, OperandPlan]:
    return {"tensor": OperandPlan((64, 4096), OperandScheme(**scheme), 0, dtype)}


@pytest.mark.parametrize("label", REFUSED)
def test_refused_with_the_reason(label: str) -> None:
    scheme, dtype, reason = REFUSED[label]
    assert takes_partition(_plan(dtype, **scheme), CUDA) == reason


def test_taken() -> None:
    assert takes_partition(_plan("f16", calibration="percentile:99.9", symmetric=False), CUDA) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("percentile", ["99.9", "90", "50.1", "100"])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:16", "per_block:2x16"])
@pytest.mark.parametrize(("element", "symmetric"), [("int8", True), ("uint8", True), ("uint8", False)])
def test_exactly_the_oracle(element: str, symmetric: bool, granularity: str, percentile: str, dtype: Any) -> None:
    x = (np.random.default_rng(2).standard_normal((6, 64)) + 0.3).astype(dtype)
    x[4:] = 0
    scheme = OperandScheme(element, granularity, symmetric, f"percentile:{percentile}")
    tiling = scheme.blocks.tiling(x.shape)
    expected = calibrate(x.astype(np.float32), scheme, tiling)
    scales, zeros = partition_scales(np, x, scheme, tiling)
    assert scales.dtype == np.float32
    assert np.array_equal(scales, expected.scale.ravel())
    assert (zeros is None) == symmetric
    if zeros is not None and expected.zero_point is not None:
        assert np.array_equal(zeros, expected.zero_point.ravel())

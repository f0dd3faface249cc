"""PyTorch's products: which requests they take, and what tinygemm's weight stands for."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels.spec import OperandPlan
from harness.kernels.torch_peers.products import tinygemm_weight
from harness.kernels.torch_peers.products_spec import takes_int4pack, takes_int_mm, takes_scaled_mm
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.scheme import OperandScheme


def _request(weight, activation, m=32, n=64, k=256, dtype="f32"):
    weight, activation = (None if each is None else OperandScheme(**each) for each in (weight, activation))
    return {"weight": OperandPlan((n, k), weight, 0, dtype), "activation": OperandPlan((m, k), activation, 1, dtype)}


INT8 = {"format": "int8", "granularity": "per_channel"}
ROW = {"format": "int8", "granularity": "per_token"}
FP8, FP8_ROW = {"format": "fp8_e4m3"}, {"format": "fp8_e4m3", "granularity": "per_token"}
E5M2 = {"format": "fp8_e5m2"}
INT4 = {"format": "int4", "granularity": "per_group:128", "symmetric": False}


@pytest.mark.parametrize(
    ("takes", "request_", "reason"),
    [
        (takes_int_mm, _request(INT8, ROW), None),
        (takes_int_mm, _request(INT8, ROW, m=16), "takes more than 16 rows"),
        (takes_int_mm, _request(INT8, ROW, n=63), "takes n and k that are multiples of 8"),
        (takes_int_mm, _request(INT8, ROW, dtype="bf16"), "gives int32 sums"),
        (takes_int_mm, _request({**INT8, "symmetric": False}, ROW), "takes no zero point of the weight"),
        (takes_scaled_mm, _request(FP8, FP8), None),
        (takes_scaled_mm, _request(FP8_ROW, FP8_ROW, dtype="bf16"), None),
        (takes_scaled_mm, _request(FP8_ROW, FP8_ROW), "gives bf16 only where scales are those of rows"),
        (
            takes_scaled_mm,
            _request(FP8, FP8_ROW, dtype="bf16"),
            "takes one scale of both operands, or one a row of both",
        ),
        (takes_scaled_mm, _request(E5M2, E5M2), "takes fp8_e5m2 of one operand only"),
        (takes_scaled_mm, _request(FP8, FP8, n=72), "takes n and k that are multiples of 16"),
        (takes_int4pack, _request(INT4, None, dtype="bf16"), None),
        (takes_int4pack, _request(INT4, None), "takes activations of bf16 only"),
        (
            takes_int4pack,
            _request({**INT4, "granularity": "per_group:16"}, None),
            "takes groups of 32, 64, 128 or 256 that fill k",
        ),
        (
            takes_int4pack,
            _request({**INT4, "granularity": "per_group:64"}, None, k=192),
            "takes n that are multiples of 8, k of 128",
        ),
    ],
)
def test_taken_or_refused_with_the_reason(takes, request_, reason):
    assert takes(request_, CUDA) == reason


@pytest.mark.parametrize("format_", ["int4", "uint4"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_tinygemm_s_weight_is_the_oracle_s_within_bf16(format_, symmetric):
    values = np.random.default_rng(0).standard_normal((16, 256)).astype(np.float32)
    weight = quantize(
        np.abs(values) if format_ == "uint4" else values, OperandScheme(format_, "per_group:64", symmetric)
    )
    nibbles, both, taken = tinygemm_weight(weight)
    codes = weight.codes.astype(int) + (8 if format_ == "int4" else 0)
    assert (nibbles >> 4 == codes[:, ::2]).all()
    assert (nibbles & 15 == codes[:, 1::2]).all()
    assert both.shape == (4, 16, 2)
    largest = 16 * weight.tiling.expand(weight.params.scale)
    assert (np.abs(taken - dequantize(weight)) <= 2.0**-8 * 2 * largest).all()

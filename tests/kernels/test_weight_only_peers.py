"""Other packages' products with quantized weights: which requests they take, and what is handed to them."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels import KERNELS
from harness.kernels.spec import OperandPlan
from harness.kernels.torch_peers.weight_only import rows_of_scales, unsigned, weight_as_taken
from harness.kernels.torch_peers.weight_only_spec import takes_gemlite, takes_humming, takes_humming_int8
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.scheme import OperandScheme


def _request(weight, activation=None, m=32, n=64, k=256, dtype="bf16"):
    weight, activation = (None if each is None else OperandScheme(**each) for each in (weight, activation))
    return {"weight": OperandPlan((n, k), weight, 0, dtype), "activation": OperandPlan((m, k), activation, 1, dtype)}


INT4 = {"format": "int4", "granularity": "per_group:128"}
ROWS = {"format": "int8", "granularity": "per_channel"}
TOKEN = {"format": "int8", "granularity": "per_token"}
MXFP4 = {"format": "fp4_e2m1", "granularity": "per_group:32", "scale_format": "e8m0"}


@pytest.mark.parametrize(
    ("takes", "request_", "reason"),
    [
        (takes_humming, _request(INT4), None),
        (takes_humming, _request({**INT4, "symmetric": False}), None),
        (takes_humming, _request(MXFP4), None),
        (takes_humming, _request(ROWS, TOKEN), "takes the activation unquantized"),
        (takes_humming_int8, _request(ROWS, TOKEN), None),
        (takes_humming_int8, _request({**ROWS, "format": "int4"}, TOKEN), None),
        (takes_humming_int8, _request(ROWS), "needs a quantized activation"),
        (takes_humming, _request(INT4, dtype="f32"), "gives f16 and bf16"),
        (takes_humming, _request(INT4, n=63), "takes n that are multiples of 64, k of 64"),
        (takes_humming, _request(INT4, k=64 * 5), "takes groups of 32, 64, 128 that fill k"),
        (
            takes_humming,
            _request({**MXFP4, "scale_format": "f32"}),
            "takes fp4_e2m1 in groups of 32 with scales of e8m0 only",
        ),
        (takes_humming_int8, _request(INT4, TOKEN), "takes no weight scaled per_group"),
        (takes_humming_int8, _request(ROWS, {**TOKEN, "symmetric": False}), "takes no zero point of the activation"),
        (takes_humming, _request({"format": "nf4", "granularity": "per_group:64"}), "takes no weight of format nf4"),
        (takes_gemlite, _request(INT4), None),
        (takes_gemlite, _request({**ROWS, "symmetric": False}, dtype="f16"), None),
        (takes_gemlite, _request(ROWS, TOKEN), "takes the activation unquantized"),
        (takes_gemlite, _request(INT4, dtype="f32"), "gives f16 and bf16"),
        (takes_gemlite, _request(INT4, k=64 * 5), "takes groups of 32, 64, 128, 256 that fill k"),
    ],
)
def test_taken_or_refused_with_the_reason(takes, request_, reason):
    assert takes(request_, CUDA) == reason


def test_a_missing_package_is_named_as_pip_calls_it():
    spec = next(spec for spec in KERNELS if spec.name == "humming")
    assert spec.problem(_request(INT4), CUDA) == "needs the package humming: pip install humming-kernels"


@pytest.mark.parametrize(
    ("format_", "granularity", "symmetric"),
    [
        ("int4", "per_group:64", True),
        ("int4", "per_group:64", False),
        ("int8", "per_channel", True),
        ("int2", "per_tensor", True),
    ],
)
def test_what_is_handed_over_stands_for_the_weight(format_, granularity, symmetric):
    values = np.random.default_rng(0).standard_normal((16, 256)).astype(np.float32)
    weight = quantize(values, OperandScheme(format_, granularity, symmetric))
    codes, zeros = unsigned(weight)
    assert codes.min() >= 0
    scales, zeros = (rows_of_scales(weight, each) for each in (weight.params.scale, zeros))
    assert scales.shape == zeros.shape == (16, weight.tiling.grid[1])
    wide = 256 // scales.shape[1]
    made = ((codes - zeros.repeat(wide, 1)) * scales.repeat(wide, 1)).astype(np.float32)
    assert (made == dequantize(weight)).all()
    assert (weight_as_taken(weight, weight.params.scale) == dequantize(weight)).all()

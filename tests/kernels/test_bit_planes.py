"""Weights and activations as planes of bits: where each bit lies, which problems are taken, and how they are bounded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels.gemm.bit_planes import packed_planes, planes_plan, takes
from harness.kernels.gemm.weight_gemv import shared_limit
from harness.kernels.spec import OperandPlan
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme

HOPPER = dataclasses.replace(CUDA, architecture="sm_90a")
LIMIT = shared_limit("sm_90a")


@pytest.mark.parametrize("format_", ["binary", "ternary", "int2"])
@pytest.mark.parametrize(("n", "k", "rows"), [(33, 300, 32), (16, 256, 16), (40, 1000, 16)])
def test_fragments_hold_the_planes_of_two_complement(format_, n, k, rows):
    values = np.random.default_rng(n).normal(size=(n, k)).astype(np.float32)
    weight = quantize(values, OperandScheme(format_, "per_channel"))
    bits = 1 if format_ == "binary" else 2
    words = packed_planes(weight, rows).view(np.uint32)
    tiles, spans = -(-n // rows), -(-k // 256)
    words = words.reshape(tiles, spans, rows // 16, bits, 8, 4, 4)
    found = np.zeros((tiles * rows, spans * 256), np.int64)
    for tile, span, sixteen, plane, group, quarter, register in np.ndindex(words.shape):
        # PTX ISA, mma.m16n8k256: registers 1 and 3 are eight rows below, 2 and 3 128 further along k
        row = tile * rows + sixteen * 16 + group + 8 * (register % 2)
        first = span * 256 + register // 2 * 128 + quarter * 32
        word = int(words[tile, span, sixteen, plane, group, quarter, register])
        ones = np.array([word >> bit & 1 for bit in range(32)])
        found[row, first : first + 32] += ones * (-2 if plane else 1)
    wanted = np.zeros_like(found)
    wanted[:n, :k] = weight.codes > 0 if format_ == "binary" else weight.codes.view(np.int8)
    assert (found == wanted).all()


@pytest.mark.parametrize(("format_", "m"), [("binary", 1), ("binary", 4), ("ternary", 1), ("int2", 2)])
@pytest.mark.parametrize("k", [1, 8192, 28672])
def test_a_plan_fits(format_, m, k):
    plan = planes_plan(format_, m, k, LIMIT)
    if plan is None:
        assert m * k * 4 > LIMIT - (70 << 10)
        return
    assert plan.shared_bytes(k) <= LIMIT
    assert plan.stages >= 2


def _request(weight, m, k):
    return {
        "weight": OperandPlan((64, k), OperandScheme(**weight), 0, "bf16"),
        "activation": OperandPlan((m, k), None, 1, "bf16"),
    }


ROW = {"granularity": "per_channel"}


@pytest.mark.parametrize(
    ("weight", "m", "k", "reason"),
    [
        ({"format": "binary", **ROW}, 4, 4096, None),
        ({"format": "ternary", **ROW}, 2, 4096, None),
        ({"format": "ternary", **ROW}, 3, 4096, "takes m up to 2 with ternary"),
        ({"format": "int4", **ROW}, 1, 4096, "takes weights of binary, ternary, int2"),
        ({"format": "int2", "granularity": "per_group:64"}, 1, 4096, "takes one scale a row of the weight"),
        ({"format": "int2", "symmetric": False, **ROW}, 1, 4096, "takes no zero point of the weight"),
        (
            {"format": "binary", **ROW},
            1,
            65536,
            "takes k up to 65536, where activations fit 227 KiB of shared memory beside the weights",
        ),
    ],
)
def test_what_is_taken(weight, m, k, reason):
    assert takes(_request(weight, m, k), HOPPER) == reason

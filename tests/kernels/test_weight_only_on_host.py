"""The weight-only products' own sources, run on the host, held to the oracle: rings, phases, fragments, tails, shares of blocks."""

from __future__ import annotations

import host_cuda
import pytest
from example_suites import cases_of, product

from harness.device import Device
from harness.kernels.gemm import weight_only
from harness.kernels.gemm.oracle import FAMILY
from harness.kernels.gemm.weight_gemv import gemv_plan, shared_limit
from harness.kernels.gemm.weight_wgmma import wgmma_plan
from harness.kernels.tensors import Tensors
from harness.numerics.value_types import value_type

HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)
pytestmark = pytest.mark.skipif(host_cuda.COMPILER is None, reason="needs g++")


def _axes(name: str, granularity: str, **more):
    return {
        "weight.format": name,
        "weight.granularity": granularity,
        **{f"weight.{key}": each for key, each in more.items()},
    }


def _problem(kernel: str, m: int, n: int, k: int, dtype: str, axes):
    more = {"shapes": [{"name": "a", "m": m, "n": n, "k": k, "dtype": dtype}], "baseline": {}}
    (case,) = [
        each for each in cases_of(product, kernel=kernel, more=more, device=HOPPER, **axes) if each.kernel == kernel
    ]
    assert case.skip is None
    return FAMILY.problem(case, Tensors())


def _judged(problem, layout, made, entry: str, blocks: int, shared_bytes: int, pitch_step: int):
    inputs = weight_only.operands(problem, layout, pitch_step)
    numbers = (problem.m, problem.n, problem.k, float(weight_only.global_scale(problem)), blocks, shared_bytes)
    y = host_cuda.run(made, inputs, numbers, value_type(problem.dtype).stored).reshape(problem.m, problem.n)
    return FAMILY.judge(problem, weight_only.product_of(problem, layout, y))


@pytest.mark.parametrize(
    ("m", "n", "k", "dtype", "axes"),
    [
        (5, 70, 1000, "bf16", _axes("int4", "per_group:128", symmetric=False)),
        (3, 33, 4097, "f32", _axes("nf4", "per_group:64")),
        (2, 40, 300, "bf16", _axes("fp4_e2m1", "per_group:16", scale_format="e4m3")),
        (8, 100, 520, "f16", _axes("binary", "per_channel")),
    ],
)
def test_the_product_of_few_rows_conforms(m, n, k, dtype, axes, tmp_path):
    problem = _problem("weight_only_gemv", m, n, k, dtype, axes)
    plan = gemv_plan(problem.weight.quantized.scheme, dtype, m, k, shared_limit("sm_90a"))
    made = host_cuda.program(plan.specialise(dtype), "gemv", tmp_path)
    verdict = _judged(problem, plan.layout, made, "gemv", 2, plan.shared_bytes(m, k), 1)
    assert verdict.conforms, verdict.reason


@pytest.mark.parametrize(
    ("m", "n", "k", "dtype", "axes"),
    [
        (12, 300, 700, "bf16", _axes("int4", "per_group:128", symmetric=False)),
        (70, 130, 400, "f16", _axes("fp4_e2m1", "per_group:32", scale_format="e8m0")),
        (3, 20, 65, "bf16", _axes("int8", "per_channel")),
    ],
)
def test_the_product_of_any_number_of_rows_conforms(m, n, k, dtype, axes, tmp_path):
    """Five blocks share the tiles, so that most tiles are several blocks'."""
    problem = _problem("weight_only_wgmma", m, n, k, dtype, axes)
    plan = wgmma_plan(problem.weight.quantized.scheme, dtype, m)
    blocks = min(5, plan.tiles(m, n) * -(-k // plan.layout.span))
    made = host_cuda.program(plan.specialise(dtype), "gemm", tmp_path)
    verdict = _judged(problem, plan.layout, made, "gemm", blocks, plan.shared_bytes, 64)
    assert verdict.conforms, verdict.reason

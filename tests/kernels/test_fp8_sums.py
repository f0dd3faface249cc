"""The bound for sums of fp8 products, against a model of the unit that loses as much as it may."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import cases_of, product

from harness.device import Device
from harness.kernels.gemm.fp8_sums import LINE, STEP, lost
from harness.kernels.gemm.oracle import FAMILY, Product
from harness.kernels.tensors import Tensors
from harness.numerics.formats import FORMATS

HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)
BITS = 13
"""Below the largest term's leading one."""


def _aligned(terms: np.ndarray) -> np.ndarray:
    """Terms [..., count] summed after each is cut off, towards minus infinity, at 2^-BITS of the largest one's power of two."""
    exponent = np.frexp(np.abs(terms).max(axis=-1, keepdims=True))[1] - 1
    return np.floor(np.ldexp(terms, BITS - exponent)).sum(axis=-1) * np.ldexp(1.0, exponent[..., 0] - BITS)


def _unit(x: np.ndarray, w: np.ndarray, line: int) -> np.ndarray:
    """x wᵀ in float64 of lines of k that the unit sums."""
    total = np.zeros((len(x), len(w)))
    for first in range(0, x.shape[1], line):
        sums = np.zeros_like(total)
        for at in range(first, min(first + line, x.shape[1]), STEP):
            end = min(at + STEP, first + line)
            terms = x[:, None, at:end] * w[None, :, at:end]
            sums = _aligned(np.concatenate([terms, sums[..., None]], axis=-1))
        total += sums
    return total


def _codes(seed: int, rows: int, k: int, spread: float) -> np.ndarray:
    """Values of e4m3."""
    values = np.random.default_rng(seed).standard_t(3, size=(rows, k)) * spread
    element = FORMATS["fp8_e4m3"]
    return element.decode(element.encode(values.astype(np.float32))).astype(np.float64)


@pytest.mark.parametrize("k", [1, 31, 32, 33, 128, 129, 500, 2048])
@pytest.mark.parametrize("spread", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("promoted", [True, False])
def test_the_bound_holds_for_a_unit_that_cuts_terms_off(k, spread, promoted):
    x, w = _codes(k, 6, k, spread), _codes(k + 1, 9, k, 1.0)
    line = LINE if promoted else k
    error = np.abs(_unit(x, w, line) - x @ w.T)
    bound = lost(x, w, line)
    assert (error <= bound).all()
    assert k < 500 or (error > 0.02 * bound).any(), "no wider than need be"


def test_lines_of_k_lose_less_than_all_of_it():
    x, w = np.ones((2, 4096)), np.ones((3, 4096))
    assert (lost(x, w, LINE) < lost(x, w, 4096) / 8).all()


def test_the_unit_loses_more_than_f32_where_sums_are_long():
    """Why sums are promoted: of 1.125 a sum beyond 2048 no longer takes the eighth."""
    x, w = np.full((1, 4096), 1.0), np.full((1, 4096), 1.125)
    fast, promoted = (4608 - _unit(x, w, line)[0, 0] for line in (4096, LINE))
    assert promoted == 0
    assert fast > 250


def _problem(k: int):
    more = {"shapes": [{"name": "a", "m": 5, "n": 7, "k": k}], "baseline": {}}
    (case,) = cases_of(product, kernel="wgmma_fp8", more=more, device=HOPPER, scheme="fp8_row")
    return FAMILY.problem(case, Tensors())


@pytest.mark.parametrize("sums", ["fp8", "fp8_promoted"])
@pytest.mark.parametrize("k", [100, 300])
def test_outputs_are_held_to_it(sums, k):
    problem = _problem(k)
    x, w = (
        each.scheme.element.decode(each.codes).astype(np.float64)
        for each in (problem.activation.quantized, problem.weight.quantized)
    )
    scales = problem.activation.quantized.params.scale * problem.weight.quantized.params.scale.T
    made = (_unit(x, w, k if sums == "fp8" else LINE).astype(np.float32) * scales).astype(np.float32)
    verdict = FAMILY.judge(problem, Product(made, sums))
    assert verdict.conforms, verdict.reason
    assert 0 < verdict.bound_used <= 1
    assert not FAMILY.judge(problem, Product(made, "exact")).conforms
    short = (x[:, : k - 2 * STEP] @ w[:, : k - 2 * STEP].T * scales).astype(np.float32)
    assert not FAMILY.judge(problem, Product(short, sums)).conforms, "a part of k left out"
    swapped = made[:, [1, 0, 2, 3, 4, 5, 6]]
    assert not FAMILY.judge(problem, Product(swapped, sums)).conforms, "two columns in each other's place"

"""Folded weights and biases do what convolution and batch normalisation do, one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_suites import CPU

from harness.kernels.fold_batch_norm.oracle import EPSILON, FAMILY, REFERENCE, Folded
from harness.kernels.tensors import Tensors
from harness.plan import plan
from harness.suite import load_suite


@pytest.fixture(scope="module", params=[[1, 1, 1, 1], [5, 3, 3, 3], [33, 127], [7]], ids=str)
def problem(request):
    suite = {
        "name": "f",
        "op": "fold_batch_norm",
        "shapes": [{"name": "s", "shape": request.param}],
        "matrix": {"kernel": "reference", "format": "int8", "granularity": "per_channel"},
    }
    (case,) = plan(load_suite(suite), CPU)
    return FAMILY.problem(case, Tensors())


def _reference(problem):
    kernel = REFERENCE(problem, CPU)
    kernel.launch()
    return kernel.output()


def test_the_reference_is_the_layer(problem):
    made, norm = _reference(problem), problem.norm
    weight = problem.tensor.finite.reshape(len(norm.bias), -1).astype(np.float64)
    x = np.random.default_rng(1).standard_normal((weight.shape[1], 20))
    before = weight @ x + norm.bias[:, None]
    gamma, beta, mean = (each.astype(np.float64)[:, None] for each in (norm.gamma, norm.beta, norm.mean))
    layer = gamma * (before - mean) / np.sqrt(norm.variance.astype(np.float64)[:, None] + EPSILON) + beta
    folded = made.weight.reshape(weight.shape).astype(np.float64) @ x + made.bias[:, None]
    np.testing.assert_allclose(folded, layer, atol=1e-5, rtol=1e-6)
    assert FAMILY.judge(problem, made).conforms


def test_the_formula_in_f32_conforms(problem):
    norm, weight = problem.norm, problem.tensor.finite
    ratio = norm.gamma / np.sqrt(norm.variance + np.float32(EPSILON))
    bias = norm.beta + ratio * (norm.bias - norm.mean)
    made = Folded(ratio.reshape(-1, *[1] * (weight.ndim - 1)) * weight, bias)
    assert made.weight.dtype == made.bias.dtype == np.float32
    verdict = FAMILY.judge(problem, made)
    assert verdict.conforms
    assert verdict.bound_used <= 1


def test_what_is_wrong_is_noticed(problem):
    right = _reference(problem)
    for part in ("weight", "bias"):
        array = getattr(right, part).copy()
        array.flat[-1] += 1e-5
        verdict = FAMILY.judge(problem, replace(right, **{part: array}))
        assert f"of {array.size} folded" in verdict.reason
    assert "shape" in FAMILY.judge(problem, replace(right, bias=right.bias[:0])).reason


def test_accuracy_is_of_the_quantized_layer(problem):
    right = _reference(problem)
    found = FAMILY.accuracy(problem, right)
    assert found["mse"] > 0 or right.weight.size == len(right.bias)
    worse = FAMILY.accuracy(problem, replace(right, bias=right.bias + np.float32(0.5)))
    assert worse["mse"] > found["mse"]

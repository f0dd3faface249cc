"""Oracle of fold_batch_norm: a convolution's weight and bias that do what it and the batch normalisation behind it do.

With ``y = γ·(W·x + b - μ)/√(σ² + ε) + β`` an output channel, ``r = γ/√(σ² + ε)``: ``W' = r·W`` and ``b' = β + r·(b - μ)``
(Jacob et al., arXiv 1712.05877, section 3.2, where the convolution has no bias of its own). Computed in float64; kernels are
held to the f32 roundings of the formula as it stands. The scheme is that of the folded weight: accuracy is of the layer's
outputs with the folded weight quantized, on independent inputs of mean 0 and variance 1, for which the output's error is
``‖ΔW'‖² + Δb'²`` a channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.seeding import seeded_generator
from harness.kernels.common.bounded import F32_ROUNDING, fit
from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, tensor_facts, tensor_problem
from harness.kernels.family import Described, Verdict, Work
from harness.numerics.error_histogram import described
from harness.numerics.metrics import Comparison
from harness.numerics.quantize import fake_quantize

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floats = NDArray[Any]
"""f32 of a kernel, float64 of the oracle."""
EPSILON = 1e-5
_WEIGHT_ROUNDINGS, _BIAS_ROUNDINGS = 4, 6
"""Of f32, at most: sum, root, quotient and product; and for the bias a difference and a sum besides."""
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Scale γ, shift β, mean μ and variance σ² of the batch normalisation, and the convolution's own bias: f32, one an
    output channel."""

    gamma: Float32
    beta: Float32
    mean: Float32
    variance: Float32
    bias: Float32


@dataclass(frozen=True, eq=False)
class Folded:
    """``weight`` [oc, …] and ``bias`` [oc]."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class FoldProblem:
    """The convolution's weight [oc, …] and what follows it."""

    tensor: TensorProblem
    norm: BatchNorm

    @cached_property
    def ratio(self) -> Float64:
        """γ/√(σ² + ε) of every output channel."""
        made: Float64 = self.norm.gamma / np.sqrt(self.norm.variance.astype(np.float64) + EPSILON)
        return made

    @cached_property
    def expected(self) -> Folded:
        norm, weight = self.norm, self.tensor.finite
        by_channel = self.ratio.reshape(-1, *[1] * (weight.ndim - 1))
        return Folded(by_channel * weight, norm.beta + self.ratio * np.subtract(norm.bias, norm.mean, dtype=np.float64))


class FoldBatchNorm:
    """Weight and statistics → folded weight and bias."""

    def problem(self, case: Case, tensors: Tensors) -> FoldProblem:
        tensor = tensor_problem(case, tensors)
        channels = tensor.values.shape[0]
        generator = seeded_generator(case.seed, "batch norm", case.shape.name, [channels])
        draws = (
            generator.uniform(0.5, 1.5, channels),
            generator.standard_normal(channels),
            generator.standard_normal(channels),
            generator.uniform(0.25, 4.0, channels),
            generator.standard_normal(channels),
        )
        return FoldProblem(tensor, BatchNorm(*(np.asarray(draw, np.float32) for draw in draws)))

    def judge(self, problem: FoldProblem, output: Folded) -> Verdict:
        expected, norm = problem.expected, problem.norm
        size = np.abs(norm.beta) + np.abs(problem.ratio) * (np.abs(norm.bias.astype(np.float64)) + np.abs(norm.mean))
        weight = _judge("weights", output.weight, expected.weight, _WEIGHT_ROUNDINGS * np.abs(expected.weight))
        return _worst(weight, _judge("biases", output.bias, expected.bias, _BIAS_ROUNDINGS * size))

    def accuracy(self, problem: FoldProblem, output: Folded) -> Described:
        scheme = problem.tensor.quantized.scheme
        quantized = fake_quantize(output.weight.astype(np.float32), scheme)
        exact = _joined(problem.expected.weight, problem.expected.bias)
        return {**described(Comparison(exact, _joined(quantized, output.bias))), **tensor_facts(problem.tensor)}

    def work(self, problem: FoldProblem, output: Folded) -> Work:
        """The weight is read and written."""
        size = problem.tensor.value_bytes
        return Work(2 * size, 0, size)


def _judge(noun: str, found: Floats, wanted: Float64, roundings: Float64) -> Verdict:
    if found.shape != wanted.shape:
        return Verdict(f"folded {noun} have shape {found.shape}, expected {wanted.shape}")
    bound = (F32_ROUNDING * roundings + _SMALLEST).reshape(-1)
    made = fit(found.reshape(-1), wanted.reshape(-1), lambda part: bound[part])
    if made.first is None:
        return Verdict(bound_used=made.bound_used)
    at = made.first
    told = f"{found.reshape(-1)[at]!r} for {wanted.reshape(-1)[at]!r} ± {bound[at]:.3g}"
    reason = f"{made.exceed} of {wanted.size} folded {noun} exceed the bound, the first at {at}: {told}"
    return Verdict(reason, bound_used=made.bound_used)


def _worst(weight: Verdict, bias: Verdict) -> Verdict:
    return Verdict(weight.reason or bias.reason, bound_used=max(weight.bound_used or 0.0, bias.bound_used or 0.0))


def _joined(weight: Floats, bias: Floats) -> Float64:
    """[oc, inputs + 1]: a channel's weights, then its bias."""
    rows = weight.astype(np.float64).reshape(len(bias), -1)
    return np.concatenate([rows, bias.astype(np.float64)[:, None]], axis=1)


def _folded(problem: FoldProblem) -> Folded:
    made = FoldProblem(problem.tensor, problem.norm).expected  # what is timed: nothing made before
    return Folded(made.weight.astype(np.float32), made.bias.astype(np.float32))


REFERENCE = oracle_kernel(_folded)
FAMILY = FoldBatchNorm()

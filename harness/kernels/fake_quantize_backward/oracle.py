"""Oracle of the gradients through fake_quantize: by the values exact, by scales and zero points summed in float64.

The values' gradients are the upstream ones or 0: held bit for bit. Those of scales and zero points are sums over a scale
block, held to the error of sums in f32 in which no term goes through more than 64 additions (a thread's own, then a tree;
Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2): a running sum over a large tensor fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.seeding import seeded_generator
from harness.kernels.common.bounded import F32_ROUNDING, fit
from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, judge_equal, tensor_facts, tensor_problem
from harness.kernels.family import Metrics, Verdict, Work
from harness.numerics.gradients import Derivatives, Gradients, lsq_derivatives, ste_derivatives
from harness.numerics.metrics import Comparison, evaluate
from harness.numerics.quantize import saturated

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

_DEPTH = 64
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
_ERRORS = ("mse", "max_abs_error")
Rule = Callable[..., Derivatives]


@dataclass(frozen=True, eq=False)
class BackwardProblem:
    """A tensor with its quantization, the gradient by the fake-quantized tensor (``upstream``: f32 values of the tensor's
    type, its shape), and which gradients are meant."""

    tensor: TensorProblem
    upstream: NDArray[np.float32]
    rule: Rule

    def differentiate(self) -> Derivatives:
        """The rule's derivatives, made anew."""
        q = self.tensor.quantized
        return self.rule(self.tensor.finite, q.scheme, q.tiling, q.params)

    @cached_property
    def derivatives(self) -> Derivatives:
        return self.differentiate()

    @cached_property
    def expected(self) -> Gradients:
        return self.derivatives.gradients(self.upstream)

    @cached_property
    def magnitudes(self) -> Gradients:
        return self.derivatives.magnitudes(self.upstream)


@dataclass(frozen=True)
class FakeQuantizeBackward:
    """Gradients of one rule."""

    rule: Rule

    def problem(self, case: Case, tensors: Tensors) -> BackwardProblem:
        tensor = tensor_problem(case, tensors)
        shape = tensor.values.shape

        def make() -> NDArray[np.float32]:
            generator = seeded_generator(case.seed, "upstream", case.shape.name, list(shape))
            return tensor.type.round(generator.standard_normal(shape, dtype=np.float32))

        key = ("upstream", case.seed, case.shape.name, shape, tensor.type.name)
        return BackwardProblem(tensor, tensors.cached(key, make, lambda array: int(array.nbytes)), self.rule)

    def judge(self, problem: BackwardProblem, output: Gradients) -> Verdict:
        expected, magnitudes = problem.expected, problem.magnitudes
        values = judge_equal(output.values, expected.values, "values' gradients")
        if not values.conforms:
            return values
        used = []
        for name in ("scale", "zero_point"):
            found, wanted = getattr(output, name), getattr(expected, name)
            if (found is None) != (wanted is None):
                return Verdict(f"gradients of {name}s are there for one of output and oracle only")
            if found is None:
                continue
            verdict = _judge_sums(name, found, wanted, getattr(magnitudes, name))
            if not verdict.conforms:
                return verdict
            used.append(verdict.bound_used or 0.0)
        return Verdict(bound_used=max(used))

    def accuracy(self, problem: BackwardProblem, output: Gradients) -> Metrics:
        """Errors are those of the scales' gradients. No SQNR: that would pass for the scheme's."""
        tensor = problem.tensor
        outside = saturated(tensor.values, tensor.quantized)
        errors = evaluate(Comparison(problem.expected.scale, output.scale))
        return {
            **{name: errors[name] for name in _ERRORS},
            "saturated_fraction": float(outside.mean()) if outside.size else None,
            **tensor_facts(tensor),
        }

    def work(self, problem: BackwardProblem, output: Gradients) -> Work:
        """Values and upstream are read, gradients written."""
        size = problem.tensor.value_bytes
        return Work(3 * size, 0, 2 * size)


def _judge_sums(name: str, found: NDArray[Any], wanted: NDArray[np.float64], magnitude: NDArray[np.float64]) -> Verdict:
    if found.shape != wanted.shape:
        return Verdict(f"gradients of {name}s have shape {found.shape}, expected {wanted.shape}")
    magnitude = magnitude.reshape(-1)
    bound = (_DEPTH + 4) * F32_ROUNDING * magnitude + _DEPTH * _SMALLEST
    made = fit(found.reshape(-1), wanted.reshape(-1), lambda part: bound[part])
    if made.first is None:
        return Verdict(bound_used=made.bound_used)
    at = made.first
    return Verdict(
        f"{made.exceed} of {wanted.size} gradients of {name}s exceed the bound, the first at {at}: "
        f"{found.reshape(-1)[at]!r} for {wanted.reshape(-1)[at]!r} ± {bound[at]:.3g}"
    )


def summed(derivatives: Derivatives, upstream: NDArray[np.float32]) -> Gradients:
    """Gradients summed in float64 and rounded to f32, as kernels hand them over."""
    found = derivatives.gradients(upstream)
    zero_point = None if found.zero_point is None else found.zero_point.astype(np.float32)
    return Gradients(found.values, found.scale.astype(np.float32), zero_point)


def _gradients(problem: BackwardProblem) -> Gradients:
    return summed(problem.differentiate(), problem.upstream)  # what is timed: nothing made before


REFERENCE = oracle_kernel(_gradients)
STE = FakeQuantizeBackward(ste_derivatives)
LSQ = FakeQuantizeBackward(lsq_derivatives)

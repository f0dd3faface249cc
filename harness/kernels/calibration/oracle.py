"""Oracle of calibration: scales and zero points by the definition.

Exact, but for ``mse``, whose definition is a tolerance: the global minimum of a block's squared error to within 0.005 dB. There
another scale than the oracle's conforms where its squared error, summed here in float64, exceeds the oracle's by no more;
``bound_used`` is the largest excess over what is allowed (0: no scale is worse than the oracle's).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, tensor_accuracy, tensor_problem
from harness.kernels.family import Described, Verdict, Work
from harness.numerics.calibrate import QuantParams, calibrate
from harness.numerics.quantize import dequantize, encode, with_params

_SEARCH_TOLERANCE = 10 ** (0.005 / 10) - 1
"""Relative squared error: 0.005 dB."""
_SCALE_ROUNDING = 2.0**-44
"""Squared error, by the sum of squares, that rounding a scale to f32 may make of none: codes of 8 bits, two roundings."""

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors


class Calibrate:
    """Values → scales and zero points; the accuracy is that of quantizing with them."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: QuantParams) -> Verdict:
        expected = problem.quantized.params
        if output.scale.shape != expected.scale.shape:
            return Verdict(f"scales have shape {output.scale.shape}, expected {expected.scale.shape}")
        if problem.quantized.scheme.calibrator.kind == "mse":
            return _judge_search(problem, output)
        if not np.array_equal(output.scale, expected.scale):
            worst = float(np.max(np.abs(output.scale / expected.scale - 1)))
            return Verdict(f"scales differ by up to {worst:.3g} of their value")
        found, wanted = output.zero_point, expected.zero_point
        if (found is None) != (wanted is None):
            return Verdict("zero points are there for one of output and oracle only")
        if found is not None and wanted is not None and not np.array_equal(found, wanted):
            return Verdict("zero points differ")
        return Verdict()

    def accuracy(self, problem: TensorProblem, output: QuantParams) -> Described:
        q = problem.quantized
        codes = encode(problem.finite, q.scheme, q.tiling, output)
        return tensor_accuracy(problem, dequantize(with_params(q, codes)))

    def work(self, problem: TensorProblem, output: object) -> Work:
        return Work(problem.value_bytes, 0, problem.value_bytes)


def _judge_search(problem: TensorProblem, output: QuantParams) -> Verdict:
    """Whether the squared error of every block is the oracle's, or within the tolerance of the definition."""
    q = problem.quantized
    if (output.zero_point is None) != (q.params.zero_point is None):
        return Verdict("zero points are there for one of output and oracle only")
    if not (np.isfinite(output.scale) & (output.scale > 0)).all():
        return Verdict("scales must be positive and finite")
    if not q.scheme.scales.two_level and not np.array_equal(
        q.scheme.scales.nearest(output.scale.astype(np.float64)), output.scale
    ):
        return Verdict(f"scales are no values of {q.scheme.scale_format}")
    found, squares = _squared_errors(problem, output)
    wanted, _ = _squared_errors(problem, q.params)
    allowed = _SEARCH_TOLERANCE * wanted + _SCALE_ROUNDING * squares
    excess = np.maximum(found - wanted, 0.0)
    used = np.divide(excess, allowed, out=np.where(excess > 0, np.inf, 0.0), where=allowed > 0)
    worst = float(used.max(initial=0.0))
    if worst <= 1:
        return Verdict(bound_used=worst)
    at = np.unravel_index(int(np.argmax(used)), used.shape)
    told = f"{output.scale[at]!r} for {q.params.scale[at]!r}"
    wrong = np.count_nonzero(used > 1)
    ratio = float(found[at] / wanted[at]) if wanted[at] else float("inf")
    return Verdict(
        f"{wrong} of {used.size} scales have too large an error, the worst {ratio:.6g} times the oracle's: {told}"
    )


def _squared_errors(problem: TensorProblem, params: QuantParams) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared error and sum of squares of every block; unsigned symmetric codes are meant for max(x, 0)."""
    q = problem.quantized
    x = problem.finite if q.scheme.element.signed or not q.scheme.symmetric else np.maximum(problem.finite, 0)
    made = dataclasses.replace(q, codes=encode(x, q.scheme, q.tiling, params), params=params, invalid=None)
    exact = x.astype(np.float64)

    def of_blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
        (sums,) = q.tiling.map_blocks(np.square(values), lambda rows: (rows.sum(axis=1),), (np.float64(0),))
        return np.asarray(sums)

    return of_blocks(dequantize(made).astype(np.float64) - exact), of_blocks(exact)


def _parameters(problem: TensorProblem) -> QuantParams:
    q = problem.quantized
    return calibrate(problem.finite, q.scheme, q.tiling)


REFERENCE = oracle_kernel(_parameters)
FAMILY = Calibrate()

"""Oracle of calibration: scales and zero points by the definition, exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, tensor_accuracy, tensor_problem
from harness.kernels.family import Metrics, Verdict, Work
from harness.numerics.calibrate import QuantParams, calibrate
from harness.numerics.quantize import dequantize, encode, with_params

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors


class Calibrate:
    """Values → scales and zero points; the accuracy is that of quantizing with them."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: QuantParams) -> Verdict:
        expected = problem.quantized.params
        if not np.array_equal(output.scale, expected.scale):
            worst = float(np.max(np.abs(output.scale / expected.scale - 1)))
            return Verdict(f"scales differ by up to {worst:.3g} of their value")
        found, wanted = output.zero_point, expected.zero_point
        if (found is None) != (wanted is None):
            return Verdict("zero points are there for one of output and oracle only")
        if found is not None and wanted is not None and not np.array_equal(found, wanted):
            return Verdict("zero points differ")
        return Verdict()

    def accuracy(self, problem: TensorProblem, output: QuantParams) -> Metrics:
        q = problem.quantized
        codes = encode(problem.finite, q.scheme, q.tiling, output)
        return tensor_accuracy(problem, dequantize(with_params(q, codes)))

    def work(self, problem: TensorProblem, output: object) -> Work:
        return Work(problem.value_bytes, 0, problem.value_bytes)


def _parameters(problem: TensorProblem) -> QuantParams:
    q = problem.quantized
    return calibrate(problem.finite, q.scheme, q.tiling)


REFERENCE = oracle_kernel(_parameters)
FAMILY = Calibrate()

"""Oracle of dequantize: ``(q - z) · s`` in f32, rounded to the tensor's type, exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import (
    TensorProblem,
    dequantized,
    judge_values,
    restore_invalid,
    tensor_accuracy,
    tensor_problem,
    tensor_work,
)
from harness.kernels.family import Described, Verdict, Work

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

Values = NDArray[np.float32]


class Dequantize:
    """Codes → values."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: Values) -> Verdict:
        return judge_values(problem, output)

    def accuracy(self, problem: TensorProblem, output: Values) -> Described:
        return tensor_accuracy(problem, restore_invalid(problem, output))

    def work(self, problem: TensorProblem, output: object) -> Work:
        return tensor_work(problem, read_bytes=problem.stored_bytes)


def _values(problem: TensorProblem) -> Values:
    return dequantized(problem)


REFERENCE = oracle_kernel(_values)
FAMILY = Dequantize()

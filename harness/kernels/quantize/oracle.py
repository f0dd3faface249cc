"""Oracle of quantize: codes by the definition, exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import (
    TensorProblem,
    judge_codes,
    tensor_accuracy,
    tensor_problem,
    tensor_work,
)
from harness.kernels.family import Metrics, Verdict, Work
from harness.numerics.quantize import dequantize, with_params

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors


@dataclass(frozen=True, eq=False)
class Codes:
    """A kernel's output: codes one an element; the scale and zero point too where the kernel found them itself."""

    codes: NDArray[Any]
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[np.int32] | None = None


class Quantize:
    """Values → codes."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: Codes) -> Verdict:
        params = problem.quantized.params
        if output.scale is not None and not np.array_equal(output.scale.ravel(), params.scale.ravel()):
            return Verdict(f"scale {output.scale.ravel()[0]!r} differs from {params.scale.ravel()[0]!r}")
        if output.zero_point is not None and params.zero_point is not None:
            found, expected = output.zero_point.ravel(), params.zero_point.ravel()
            if not np.array_equal(found, expected):
                return Verdict(f"zero point {found[0]} differs from {expected[0]}")
        return judge_codes(problem, output.codes)

    def accuracy(self, problem: TensorProblem, output: Codes) -> Metrics:
        return tensor_accuracy(problem, dequantize(with_params(problem.quantized, output.codes)))

    def work(self, problem: TensorProblem, output: object) -> Work:
        return tensor_work(problem, read_bytes=problem.value_bytes)


def _codes(problem: TensorProblem) -> Codes:
    return Codes(problem.prepared.quantized_anew().codes)


REFERENCE = oracle_kernel(_codes)
FAMILY = Quantize()

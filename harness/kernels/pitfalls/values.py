"""Wrong ways of fake_quantize and statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.pitfalls.quantize import affine_of
from harness.kernels.statistics.measured import Measured
from harness.kernels.statistics.oracle import expected
from harness.numerics.metrics import decibel
from harness.numerics.quantize import dequantize


def _subtract_last(problem: TensorProblem) -> NDArray[np.float32]:
    a = affine_of(problem)
    codes = np.clip(np.rint(a.quotient) + a.zero, a.low, a.high).astype(np.float32)
    return problem.type.round(
        codes * a.scale - a.zero * a.scale
    )  # wrong: two rounded products, whose difference cancels


def _running_sum_f32(problem: TensorProblem) -> Measured:
    exact, approximate = problem.finite.ravel(), dequantize(problem.quantized).ravel()
    error = _running_sum(np.square(approximate - exact))
    signal = _running_sum(np.square(exact))
    right = expected(problem)
    return replace(right, figures={**right.figures, "mse": error / exact.size, "sqnr_db": decibel(signal, error)})


def _running_sum(terms: NDArray[np.float32]) -> float:
    return float(np.cumsum(terms, dtype=np.float32)[-1])  # wrong: a term below half an ulp of the sum is lost


SUBTRACT_LAST = oracle_kernel(_subtract_last)
RUNNING_SUM_F32 = oracle_kernel(_running_sum_f32)

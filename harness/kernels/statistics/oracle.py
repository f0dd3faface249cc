"""Oracle of statistics: the error of a tensor against its dequantized codes, summed in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, tensor_accuracy, tensor_problem, tensor_work
from harness.kernels.family import Metrics, Verdict, Work
from harness.numerics.quantize import dequantize

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

_CHECKED = ("mse", "max_abs_error", "saturated_fraction", "rounding_mse", "clipping_mse", "nan_count", "inf_count")
_TOLERANCE = 1e-9
"""Relative: float64 sums of at most 2^36 terms in any order."""


def _same_signal(output: Metrics, expected: Metrics) -> bool:
    """Signal power shows in the SQNR alone: a relative tolerance of power is an absolute one of decibels."""
    found, wanted = output.get("sqnr_db"), expected["sqnr_db"]
    return found == wanted or (found is not None and wanted is not None and abs(found - wanted) < 10 * _TOLERANCE)


class Statistics:
    """A tensor and its codes → error figures."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: Metrics) -> Verdict:
        expected = tensor_accuracy(problem, dequantize(problem.quantized))
        for name in _CHECKED:
            found, wanted = output.get(name), expected[name]
            if found is None or wanted is None:
                if found is not wanted:
                    return Verdict(f"{name} is {found!r}, expected {wanted!r}")
            elif abs(found - wanted) > _TOLERANCE * abs(wanted):
                return Verdict(f"{name} is {found!r}, expected {wanted!r}")
        if not _same_signal(output, expected):
            return Verdict(f"sqnr_db is {output.get('sqnr_db')!r}, expected {expected['sqnr_db']!r}")
        return Verdict()

    def accuracy(self, problem: TensorProblem, output: Metrics) -> Metrics:
        return output

    def work(self, problem: TensorProblem, output: object) -> Work:
        return tensor_work(problem, read_bytes=problem.value_bytes + problem.stored_bytes)


def _figures(problem: TensorProblem) -> Metrics:
    return tensor_accuracy(problem, dequantize(problem.quantized))


REFERENCE = oracle_kernel(_figures)
FAMILY = Statistics()

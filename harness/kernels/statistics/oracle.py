"""Oracle of statistics: error of a tensor against its dequantized codes, summed in float64, and how often each code occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.common.tensor_problem import TensorProblem, tensor_facts, tensor_problem, tensor_work
from harness.kernels.family import Metrics, Verdict, Work
from harness.kernels.statistics.measured import Measured, code_figures
from harness.numerics.metrics import Comparison, evaluate
from harness.numerics.quantize import dequantize, saturated

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

_CHECKED = (
    "mse",
    "max_abs_error",
    "signal_power",
    "saturated_fraction",
    "rounding_mse",
    "clipping_mse",
    "worst_block_mse",
    "nan_count",
    "inf_count",
)
_TOLERANCE = 1e-9
"""Relative: float64 sums of at most 2^36 terms in any order."""


def block_errors(problem: TensorProblem) -> NDArray[np.float64]:
    """Mean squared error of each scale block, flat, in the order of its scale; NaN of blocks without a finite value."""
    return _block_errors(problem, _comparison(problem))


def _block_errors(problem: TensorProblem, comparison: Comparison) -> NDArray[np.float64]:
    tiling = problem.quantized.tiling

    def sums(rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return (rows.sum(axis=1, dtype=np.float64),)

    (total,) = tiling.map_blocks(comparison.error_squared, sums, (0.0,))
    valid = np.ones(problem.values.shape, np.bool_) if comparison.valid is None else comparison.valid
    (count,) = tiling.map_blocks(valid, sums, (0.0,))
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = (total / count).ravel()
    return found


def largest_error_at(comparison: Comparison) -> int | None:
    """Flat index of the largest absolute error (float64 of the difference), the smallest index where several have it."""
    if not comparison.count:
        return None
    squared = comparison.error_squared.ravel()
    kept = slice(None) if comparison.valid is None else comparison.valid.ravel()
    candidates = np.arange(squared.size)[kept][squared[kept] == squared[kept].max()]
    exact, made = (array.ravel()[candidates].astype(np.float64) for array in (comparison.exact, comparison.approximate))
    return int(candidates[np.abs(made - exact).argmax()])


def code_counts(problem: TensorProblem) -> NDArray[np.int64]:
    """How often each code occurs [2^bits], by its bits as an unsigned number."""
    codes, element = problem.quantized.codes.ravel(), problem.quantized.scheme.element
    patterns = codes > 0 if element.kind == "binary" else codes.view(np.uint8) & (2**element.bits - 1)
    return np.bincount(patterns, minlength=2**element.bits)


def _comparison(problem: TensorProblem) -> Comparison:
    quantized = problem.quantized
    tiling = None if quantized.scheme.blocks.kind == "per_tensor" else quantized.tiling
    return Comparison(problem.values, dequantize(quantized), saturated(problem.values, quantized), tiling)


def expected(problem: TensorProblem) -> Measured:
    """All figures, those of METRICS among them; None where nothing is finite.

    ``max_error_index`` is flat; ``worst_block`` is the scale block with the largest mean squared error over its finite values
    (the tensor where it has one scale), counted in the order of the scales; blocks without a finite value are left out.
    """
    comparison = _comparison(problem)
    blocks = _block_errors(problem, comparison)
    worst = int(np.nanargmax(blocks)) if comparison.count else None
    figures: Metrics = {
        **evaluate(comparison),
        **tensor_facts(problem),
        "signal_power": comparison.signal_power / comparison.count if comparison.count else None,
        "max_error_index": largest_error_at(comparison),
        "worst_block": worst,
        "worst_block_mse": None if worst is None else float(blocks[worst]),
    }
    return Measured(figures, code_counts(problem))


def _close(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= _TOLERANCE * abs(wanted)


def _same_sqnr(found: float | None, wanted: float | None) -> bool:
    """A relative tolerance of power is an absolute one of decibels."""
    return found == wanted or (found is not None and wanted is not None and abs(found - wanted) < 10 * _TOLERANCE)


class Statistics:
    """A tensor and its codes → error figures and the histogram of the codes."""

    def problem(self, case: Case, tensors: Tensors) -> TensorProblem:
        return tensor_problem(case, tensors)

    def judge(self, problem: TensorProblem, output: Measured) -> Verdict:
        """Sums to a relative tolerance; the place of the largest error and every count of codes exactly. Any block may be
        called the worst whose error is the largest within the tolerance."""
        right = expected(problem)
        found, wanted = output.figures, right.figures
        wrong = [name for name in _CHECKED if not _close(found.get(name), wanted[name])]
        if not _same_sqnr(found.get("sqnr_db"), wanted["sqnr_db"]):
            wrong.append("sqnr_db")
        if found.get("max_error_index") != wanted["max_error_index"]:
            wrong.append("max_error_index")
        if not self._is_worst(problem, found.get("worst_block"), wanted["worst_block_mse"]):
            wrong.append("worst_block")
        if wrong:
            return Verdict(", ".join(f"{name} is {found.get(name)!r}, expected {wanted[name]!r}" for name in wrong))
        return _judge_counts(output.counts, right.counts)

    def _is_worst(self, problem: TensorProblem, block: float | None, worst: float | None) -> bool:
        if block is None or worst is None:
            return block is worst
        errors = block_errors(problem)
        return 0 <= block < errors.size and _close(float(errors[int(block)]), worst)

    def accuracy(self, problem: TensorProblem, output: Measured) -> Metrics:
        return {**output.figures, **code_figures(output.counts)}

    def work(self, problem: TensorProblem, output: object) -> Work:
        return tensor_work(problem, read_bytes=problem.value_bytes + problem.stored_bytes)


def _judge_counts(found: NDArray[Any], wanted: NDArray[np.int64]) -> Verdict:
    if found.shape != wanted.shape:
        return Verdict(f"counts of codes have shape {found.shape}, expected {wanted.shape}")
    wrong = np.flatnonzero(found != wanted)
    if not wrong.size:
        return Verdict()
    first = int(wrong[0])
    return Verdict(
        f"code {first} is counted {found[first]} times, expected {wanted[first]} ({wrong.size} counts differ)"
    )


REFERENCE = oracle_kernel(expected)
FAMILY = Statistics()

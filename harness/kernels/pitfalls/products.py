"""Wrong products of integer codes. Sums are exact: what is wrong is what is added up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.tensors import Prepared
from harness.numerics.quantize import Quantized

Float64 = NDArray[np.float64]


def _four_at_a_time(problem: GemmProblem) -> Product:
    activation, weight = _of(problem.activation), _of(problem.weight)
    sums = _in_fours(_whole(activation)) @ _in_fours(_whole(weight)).T
    return _scaled(sums, activation, weight)


def _in_fours(codes: Float64) -> Float64:
    """Rows as a loop over k in steps of four reads them from memory."""
    rows, k = codes.shape
    memory = np.append(codes.ravel(), np.zeros(4))
    steps = np.arange(-(-k // 4) * 4)  # wrong: the last step of a row reads the beginning of the next
    made: Float64 = memory[np.arange(rows)[:, None] * k + steps]
    return made


def _zero_points_left_out(problem: GemmProblem) -> Product:
    activation, weight = _of(problem.activation), _of(problem.weight)
    codes = [
        each.codes.astype(np.float64) for each in (activation, weight)
    ]  # wrong: codes less their zero points count
    return _scaled(codes[0] @ codes[1].T, activation, weight)


def _unsigned_nibbles(problem: GemmProblem) -> Product:
    activation, weight = _of(problem.activation), _of(problem.weight)
    nibbles = (weight.codes & 0xF).astype(np.float64)  # wrong: without sign extension -1 is 15
    return _scaled(_whole(activation) @ nibbles.T, activation, weight)


def _of(prepared: Prepared) -> Quantized:
    assert prepared.quantized is not None, "planned for quantized operands"
    return prepared.quantized


def _whole(q: Quantized) -> Float64:
    """Codes less their zero points."""
    codes = q.codes.astype(np.float64)
    return codes if q.params.zero_point is None else codes - q.tiling.expand(q.params.zero_point)


def _scaled(sums: Float64, activation: Quantized, weight: Quantized) -> Product:
    """Times the scales, one each or one a row."""
    scales = activation.params.scale.astype(np.float64).reshape(-1, 1), weight.params.scale.reshape(1, -1)
    return Product(sums * scales[0] * scales[1], "exact")


FOUR_AT_A_TIME = oracle_kernel(_four_at_a_time)
ZERO_POINTS_LEFT_OUT = oracle_kernel(_zero_points_left_out)
UNSIGNED_NIBBLES = oracle_kernel(_unsigned_nibbles)

"""The problem of one-tensor ops, and what their families judge alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.kernels.family import Metrics, Verdict, Work
from harness.numerics.calibrate import calibrate
from harness.numerics.metrics import Comparison, evaluate
from harness.numerics.quantize import Quantized, dequantize, encode, saturated

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors


@dataclass(frozen=True, eq=False)
class TensorProblem:
    """A tensor (f32) and the oracle's quantization of it."""

    values: NDArray[np.float32]
    quantized: Quantized
    bits_per_element: float

    @property
    def finite(self) -> NDArray[np.float32]:
        """The values with 0 where NaN or Inf stood, as the oracle quantized them."""
        if self.quantized.invalid is None:
            return self.values
        return np.where(self.quantized.invalid, np.float32(0), self.values)

    @property
    def stored_bytes(self) -> int:
        """Bytes of codes, scales and zero points."""
        return int(self.values.size * self.bits_per_element / 8)


def tensor_problem(case: Case, tensors: Tensors) -> TensorProblem:
    prepared = tensors.operand(case, "tensor")
    operand = case.operands[0]
    if prepared.quantized is None or operand.scheme is None:
        raise SchemeError(f"{case.op}: needs a quantized tensor (got format none); name a format or a scheme")
    bits = operand.scheme.bits_per_element(operand.shape, operand.channel_axis)
    return TensorProblem(prepared.values, prepared.quantized, bits)


def oracle_codes(problem: TensorProblem) -> NDArray[Any]:
    """Codes by the definition; a dynamic range is found here, since that is part of the work."""
    q, values = problem.quantized, problem.finite
    params = calibrate(values, q.scheme, q.tiling) if q.scheme.range == "dynamic" else q.params
    return encode(values, q.scheme, q.tiling, params)


def judge_codes(problem: TensorProblem, codes: NDArray[Any]) -> Verdict:
    """Every code exact (positions of NaN and Inf aside, which have no valid code)."""
    expected = problem.quantized.codes
    if codes.shape != expected.shape:
        return Verdict(f"output has shape {codes.shape}, expected {expected.shape}")
    wrong = codes.view(np.uint8) != expected.view(np.uint8)
    if problem.quantized.invalid is not None:
        wrong &= ~problem.quantized.invalid
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return Verdict(mismatches=0)
    first = tuple(int(index) for index in np.argwhere(wrong)[0])
    return Verdict(
        f"{count} of {codes.size} codes differ, the first at {first}: {codes[first]} for {expected[first]}", count
    )


def judge_values(problem: TensorProblem, values: NDArray[np.float32]) -> Verdict:
    """Every dequantized value bit for bit that of ``(q - z) · s`` in f32 (-0 equals 0)."""
    expected = dequantize(problem.quantized)
    if values.shape != expected.shape:
        return Verdict(f"output has shape {values.shape}, expected {expected.shape}")
    wrong = values != expected
    if problem.quantized.invalid is not None:
        wrong &= ~problem.quantized.invalid
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return Verdict()
    first = tuple(int(index) for index in np.argwhere(wrong)[0])
    return Verdict(
        f"{count} of {values.size} values differ, the first at {first}: {values[first]!r} for {expected[first]!r}"
    )


def tensor_accuracy(problem: TensorProblem, approximate: NDArray[np.float32]) -> Metrics:
    """All metrics of the dequantized values against the tensor, and the count of NaN and Inf in the tensor."""
    quantized = problem.quantized
    tiling = None if quantized.scheme.blocks.kind == "per_tensor" else quantized.tiling
    comparison = Comparison(problem.values, approximate, saturated(problem.values, quantized), tiling)
    return {
        **evaluate(comparison),
        "nan_count": int(np.count_nonzero(np.isnan(problem.values))),
        "inf_count": int(np.count_nonzero(np.isinf(problem.values))),
        "bits_per_element": problem.bits_per_element,
    }


def restore_invalid(problem: TensorProblem, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``values`` with NaN where the tensor was not finite: a kernel may have put any number there."""
    if problem.quantized.invalid is None:
        return values
    return np.where(problem.quantized.invalid, np.float32(np.nan), values)


def read_write_work(problem: TensorProblem, *, floats: int) -> Work:
    """Floor of reading or writing the f32 tensor ``floats`` times, and its stored form once."""
    return Work(problem.values.size * 4 * floats + problem.stored_bytes, 0)

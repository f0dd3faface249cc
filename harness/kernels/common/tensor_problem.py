"""The problem of one-tensor ops, and what their families judge alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.kernels.family import Described, Metrics, Verdict, Work
from harness.kernels.tensors import Prepared
from harness.numerics.error_histogram import described
from harness.numerics.metrics import Comparison
from harness.numerics.quantize import Quantized, dequantize, saturated
from harness.numerics.value_types import VALUE_TYPES, ValueType, value_type

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors


@dataclass(frozen=True, eq=False)
class TensorProblem:
    """A tensor (its values in f32; ``type`` is what it is stored in) and the oracle's quantization of it."""

    values: NDArray[np.float32]
    quantized: Quantized
    bits_per_element: float
    type: ValueType = VALUE_TYPES["f32"]

    @property
    def prepared(self) -> Prepared:
        return Prepared(self.values, self.quantized)

    @property
    def finite(self) -> NDArray[np.float32]:
        """The values with 0 where NaN or Inf stood, as the oracle quantized them."""
        return self.prepared.finite

    @property
    def value_bytes(self) -> int:
        """Bytes of the tensor."""
        return int(self.values.size) * self.type.bytes

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
    return TensorProblem(prepared.values, prepared.quantized, bits, value_type(operand.dtype))


def judge_codes(problem: TensorProblem, codes: NDArray[Any]) -> Verdict:
    """Every code exact (positions of NaN and Inf aside, which have no valid code)."""
    expected = problem.quantized.codes
    if codes.shape != expected.shape:
        return Verdict(f"output has shape {codes.shape}, expected {expected.shape}")
    wrong = _where_wrong(codes.view(np.uint8) != expected.view(np.uint8), problem.quantized.invalid)
    if wrong is None:
        return Verdict(mismatches=0)
    told = f"codes differ, the first at {wrong.first}: {codes[wrong.first]} for {expected[wrong.first]}"
    return Verdict(f"{wrong.count} of {codes.size} {told}", wrong.count)


def dequantized(problem: TensorProblem, quantized: Quantized | None = None) -> NDArray[np.float32]:
    """``(q - z) · s`` in f32, then rounded to the tensor's type; of the problem's codes, or of others."""
    return problem.type.round(dequantize(quantized or problem.quantized))


def judge_values(problem: TensorProblem, values: NDArray[np.float32]) -> Verdict:
    """Every dequantized value bit for bit ``dequantized`` (-0 equals 0; positions of NaN and Inf aside)."""
    return judge_equal(values, dequantized(problem), "values", aside=problem.quantized.invalid)


def judge_equal(
    found: NDArray[Any], expected: NDArray[Any], noun: str, *, aside: NDArray[np.bool_] | None = None
) -> Verdict:
    """Every element equal, but for positions that are set ``aside``; ``noun`` says what they are."""
    if found.shape != expected.shape:
        return Verdict(f"output has shape {found.shape}, expected {expected.shape}")
    wrong = _where_wrong(found != expected, aside)
    if wrong is None:
        return Verdict()
    told = f"{noun} differ, the first at {wrong.first}: {found[wrong.first]!r} for {expected[wrong.first]!r}"
    return Verdict(f"{wrong.count} of {found.size} {told}")


@dataclass(frozen=True)
class _Wrong:
    count: int
    first: tuple[int, ...]


def _where_wrong(differs: NDArray[np.bool_], aside: NDArray[np.bool_] | None) -> _Wrong | None:
    """How many positions differ and the first of them, those set ``aside`` left out; None where none does."""
    if aside is not None:
        differs = differs & ~aside
    count = int(np.count_nonzero(differs))
    return _Wrong(count, tuple(int(index) for index in np.argwhere(differs)[0])) if count else None


def tensor_accuracy(problem: TensorProblem, approximate: NDArray[np.float32]) -> Described:
    """All metrics of the dequantized values against the tensor, and the count of NaN and Inf in the tensor."""
    quantized = problem.quantized
    tiling = None if quantized.scheme.blocks.kind == "per_tensor" else quantized.tiling
    comparison = Comparison(problem.values, approximate, saturated(problem.values, quantized), tiling)
    return {**described(comparison), **tensor_facts(problem)}


def tensor_facts(problem: TensorProblem) -> Metrics:
    """What records say of the tensor, whatever is made of it."""
    return {
        "nan_count": int(np.count_nonzero(np.isnan(problem.values))),
        "inf_count": int(np.count_nonzero(np.isinf(problem.values))),
        "bits_per_element": problem.bits_per_element,
    }


def restore_invalid(problem: TensorProblem, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``values`` with NaN where the tensor was not finite: a kernel may have put any number there."""
    if problem.quantized.invalid is None:
        return values
    return np.where(problem.quantized.invalid, np.float32(np.nan), values)


def tensor_work(problem: TensorProblem, *, read_bytes: int) -> Work:
    """Floor of moving the tensor once, and its quantized form once."""
    return Work(problem.value_bytes + problem.stored_bytes, 0, read_bytes)

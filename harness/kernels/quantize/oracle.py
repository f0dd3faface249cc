"""Oracle of quantize: codes by the definition, exact."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from harness.kernels.family import Described, Verdict, Work
from harness.numerics.calibrate import QuantParams
from harness.numerics.quantize import Quantized, dequantize, with_params
from harness.numerics.scales import Scales

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
        params, codes = problem.quantized.params, judge_codes(problem, output.codes)
        for noun, found, expected in (
            ("scale", output.scale, params.scale),
            ("zero point", output.zero_point, params.zero_point),
        ):
            if found is None or expected is None:
                continue
            if found.size != expected.size:
                return Verdict(f"output has {found.size} {noun}s, expected {expected.size}", codes.mismatches)
            wrong = np.flatnonzero(found.ravel() != expected.ravel())
            if wrong.size:
                at = wrong[0]
                return Verdict(f"{noun} {found.ravel()[at]} differs from {expected.ravel()[at]}", codes.mismatches)
        return codes

    def accuracy(self, problem: TensorProblem, output: Codes) -> Described:
        """Codes are read with the scales and zero points that the kernel found; with the oracle's where it was given them."""
        return tensor_accuracy(problem, dequantize(with_params(_as_found(problem, output), output.codes)))

    def work(self, problem: TensorProblem, output: object) -> Work:
        """The tensor read once, its quantized form written once. Where the kernel finds a range over the whole tensor (one
        dynamic scale, or NVFP4's above those of the blocks) no code can be made before the last value is seen: the tensor
        moves twice, the second time maybe from a cache that holds it."""
        once, scheme = tensor_work(problem, read_bytes=problem.value_bytes), problem.quantized.scheme
        if scheme.range == "dynamic" and (scheme.scales.two_level or problem.quantized.params.scale.size == 1):
            return replace(once, moved_bytes=once.moved_bytes + problem.value_bytes)
        return once


def _as_found(problem: TensorProblem, output: Codes) -> Quantized:
    """The problem's quantization with the scales and zero points that a kernel found, where it did."""
    quantized, params = problem.quantized, problem.quantized.params
    if output.scale is None or output.scale.size != params.scale.size:
        return quantized
    zero_point = params.zero_point
    if zero_point is not None and output.zero_point is not None:
        zero_point = output.zero_point.reshape(zero_point.shape)
    found = QuantParams(Scales(output.scale.reshape(params.scale.shape)), zero_point)
    return replace(quantized, params=found)


def _codes(problem: TensorProblem) -> Codes:
    return Codes(problem.prepared.quantized_anew().codes)


REFERENCE = oracle_kernel(_codes)
FAMILY = Quantize()

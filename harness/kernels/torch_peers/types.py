"""What PyTorch calls the types of a problem's arrays, where NumPy has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from harness.kernels.common.tensor_problem import TensorProblem

VALUES = {"f16": "float16", "bf16": "bfloat16"}
CODES = {"int8": "int8", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}
Read = Callable[[str], NDArray[Any]]
"""An array of the kernel's, by name, on the host."""


def tensor_types(problem: TensorProblem) -> dict[str, str]:
    """By the names that operands and outputs have."""
    kind, code = problem.type.name, problem.quantized.scheme.format
    values = {name: VALUES[kind] for name in ("x", "y", "upstream", "made") if kind in VALUES}
    return values | ({"codes": CODES[code]} if code in CODES else {})

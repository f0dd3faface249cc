"""What follows a product before its output is stored: a bias, a function, a requantization. In f32, in this order.

``y = f(acc + bias)``, and with ``output`` int8 ``code = clip(rint(y / scale), -128, 127)``: one scale a tensor, quotients by
IEEE division, ties to even.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Function:
    """One activation function. ``steepness`` is the largest magnitude of its derivative; an f32 evaluation may be wrong by
    ``roundings`` · 2^-24 · |x| (0: it is exact)."""

    name: str
    apply: Callable[[NDArray[Any]], NDArray[Any]]
    steepness: float
    roundings: float
    doc: str


def _silu(x: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # exp(-x) is Inf far below 0: the quotient is 0
        made: NDArray[Any] = x / (1.0 + np.exp(-x))
    return made


def _gelu(x: NDArray[Any]) -> NDArray[Any]:
    from scipy.special import erf

    made: NDArray[Any] = 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))
    return made


# exp and erff of CUDA: at most 2 units of the last place (CUDA C++ Programming Guide, mathematical functions), each of at most
# 2^-23 of a value in [0, 2] that multiplies x; then three roundings.
FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        Function("none", lambda x: x, 1.0, 0.0, "the sum as it is"),
        Function("relu", lambda x: np.maximum(x, 0), 1.0, 0.0, "max(x, 0)"),
        Function("silu", _silu, 1.0999, 8.0, "x / (1 + exp(-x)) (arXiv 1702.03118)"),
        Function("gelu", _gelu, 1.1290, 8.0, "x / 2 · (1 + erf(x / √2)), not its tanh form (arXiv 1606.08415)"),
    )
}
OUTPUTS = {"none": "the type of the shape's values", "int8": "codes of 8 bits, one calibrated scale, saturated"}


@dataclass(frozen=True)
class Epilogue:
    """What follows the scaled sums. ``output``: ``none`` or ``int8``."""

    bias: bool = False
    function: str = "none"
    output: str = "none"

    @property
    def label(self) -> str:
        """``bias gelu to int8``; empty where nothing follows."""
        words = ["bias"] * self.bias + [self.function] * (self.function != "none")
        return " ".join([*words, *(["to " + self.output] if self.output != "none" else [])])

    @property
    def row(self) -> Function:
        return FUNCTIONS[self.function]

    @property
    def number(self) -> int:
        """Of the function, as kernels are compiled."""
        return tuple(FUNCTIONS).index(self.function)


NOTHING = Epilogue()
LIMITS = (-128, 127)
"""Of the codes of an int8 output."""


def output_scale(y: Float64) -> np.float32:
    """The scale of an int8 output from what it is to hold: minmax, 1 where that is all 0."""
    finite = np.abs(y[np.isfinite(y)])
    return np.float32(finite.max(initial=0.0) / LIMITS[1]) or np.float32(1.0)

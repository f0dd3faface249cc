"""Oracle of what follows a product: bias, function and requantization (``harness/numerics/epilogue.py``), in float64.

Outputs in floating point are held to the bound of their sums, carried through: a bias adds one rounding, a function multiplies
by its steepness and adds the error of its evaluation. Codes of an int8 output are held to those that values within that bound
round to; where sums are exact and the function is too, to the very codes that f32 arithmetic gives in the stated order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.source import Synthetic, load
from harness.kernels.common.bounded import F32_ROUNDING
from harness.kernels.family import Verdict
from harness.numerics.epilogue import LIMITS, NOTHING, Epilogue, output_scale

if TYPE_CHECKING:
    from harness.case import Case

Float64 = NDArray[np.float64]
Bound = Callable[[slice], Float64]
_BIAS = Synthetic.from_mapping({"distribution": "normal"})
"""Of standard deviation 1: what outputs of usual operands have too."""


def bias_of(case: Case, n: int) -> NDArray[np.float32] | None:
    """The bias [n] of a case's output; None where it has none. Depends on seed and shape only."""
    if not case.epilogue.bias:
        return None
    made: NDArray[np.float32] = load(_BIAS, (1, n), seed=case.seed, role="bias", shape_name=case.shape.name)
    return made.ravel()


@dataclass(frozen=True, eq=False)
class Following:
    """What follows sums ``acc`` [rows, n], float64 and scaled."""

    epilogue: Epilogue
    bias: NDArray[np.float32] | None
    acc: Float64

    @functools.cached_property
    def shifted(self) -> Float64:
        """The function's argument."""
        return self.acc if self.bias is None else self.acc + self.bias

    @functools.cached_property
    def y(self) -> Float64:
        """The output before it is requantized."""
        made: Float64 = self.epilogue.row.apply(self.shifted)
        return made

    def bound(self, of_sums: Bound) -> Bound:
        """Largest error of ``y`` in f32, of a slice of the flat outputs; ``of_sums`` that of ``acc``."""
        if self.epilogue == NOTHING:
            return of_sums
        z, row, added = self.shifted.reshape(-1), self.epilogue.row, F32_ROUNDING if self.bias is not None else 0.0

        def carried(part: slice) -> Float64:
            bound = of_sums(part)
            largest = np.abs(z[part]) + bound
            made: Float64 = row.steepness * (bound + added * largest) + row.roundings * F32_ROUNDING * largest
            return made

        return carried

    @functools.cached_property
    def scale(self) -> np.float32:
        """Of an int8 output, from the rows that are known here."""
        return output_scale(self.y)


def codes_in_f32(following: Following, sums: Float64, row_scale: Float64, column_scale: Float64) -> NDArray[np.int8]:
    """The codes [rows, n] of whole ``sums`` by f32 arithmetic: to f32, times the row's scale, times the column's, plus the
    bias, the function (none or relu), over the output's scale, to the nearest code."""
    one = np.float32
    y = sums.astype(one) * row_scale.astype(one) * column_scale.astype(one)
    if following.bias is not None:
        y = y + following.bias
    quotient = following.epilogue.row.apply(y) / following.scale
    made: NDArray[np.int8] = np.clip(np.rint(quotient), *LIMITS).astype(np.int8)
    return made


def judge_codes(following: Following, codes: NDArray[Any], bound: Bound, exact: NDArray[np.int8] | None) -> Verdict:
    """``codes`` [rows, n] against the ``exact`` ones, or where those are None against what ``bound`` leaves."""
    y, found = following.y.reshape(-1), codes.reshape(-1).astype(np.float64)
    finite = np.isfinite(y)
    nearest = _code(y / following.scale) if exact is None else exact.reshape(-1).astype(np.float64)
    low, high = nearest, nearest
    if exact is None:
        allowed = bound(slice(0, y.size))
        slack = (np.abs(y) + allowed) * F32_ROUNDING  # of the quotient
        low, high = (_code((y + sign * (allowed + slack)) / following.scale) for sign in (-1, 1))
    wrong = finite & ((found < low) | (found > high))
    mismatches = int(np.count_nonzero(finite & (found != nearest)))
    if not wrong.any():
        return Verdict(mismatches=mismatches)
    at = int(wrong.argmax())
    place = divmod(at, codes.shape[1])
    reason = f"{int(wrong.sum())} of {y.size} output codes are wrong, the first at {place}: {found[at]:.0f}"
    return Verdict(f"{reason} for {low[at]:.0f} to {high[at]:.0f}", mismatches)


def _code(quotient: Float64) -> Float64:
    with np.errstate(invalid="ignore"):
        made: Float64 = np.clip(np.rint(quotient), *LIMITS)
    return made

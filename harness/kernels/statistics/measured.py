"""What a kernel of statistics makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.family import Metrics
from harness.numerics.metrics import decibel

FIGURES = 11
"""Numbers in a row of results (``Figures`` of ``tally.cuh``)."""


@dataclass(frozen=True, eq=False)
class Measured:
    """``figures`` by their columns; ``counts`` [2^bits]: how often each code is stored, by its bits as an unsigned number.
    Codes at NaN and Inf are counted with the others: they are stored too."""

    figures: Metrics
    counts: NDArray[Any]


def figures_of(total: Sequence[float] | NDArray[np.float64], elements: int, bits_per_element: float) -> Metrics:
    """The columns of a row of FIGURES sums and places over ``elements``: squared errors of what is not saturated and of
    what is, squares; counts of saturated, NaN, Inf and left out; the largest error and its place, and that of blocks."""
    rounding, clipping, signal, saturated, nan, inf, left_out, largest, at, worst_mse, worst = map(float, total)
    counts = {"nan_count": int(nan), "inf_count": int(inf), "bits_per_element": bits_per_element}
    counted = elements - int(left_out)
    if not counted:
        return counts
    return {
        "sqnr_db": decibel(signal, rounding + clipping),
        "mse": (rounding + clipping) / counted,
        "max_abs_error": largest,
        "max_error_index": int(at),
        "signal_power": signal / counted,
        "saturated_fraction": saturated / counted,
        "rounding_mse": rounding / counted,
        "clipping_mse": clipping / counted,
        "worst_block": int(worst),
        "worst_block_mse": worst_mse,
        **counts,
    }


def code_figures(counts: NDArray[Any]) -> Metrics:
    """``code_entropy_bits``: Shannon entropy of the codes, what an ideal entropy coder would need an element;
    ``codes_used``: how many of the codes occur."""
    used = counts[counts > 0].astype(np.float64)
    if not used.size:
        return {}
    share = used / used.sum()
    return {"code_entropy_bits": max(0.0, -float((share * np.log2(share)).sum())), "codes_used": int(used.size)}

"""What a kernel of statistics makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.family import Metrics


@dataclass(frozen=True, eq=False)
class Measured:
    """``figures`` by their columns; ``counts`` [2^bits]: how often each code is stored, by its bits as an unsigned number.
    Codes at NaN and Inf are counted with the others: they are stored too."""

    figures: Metrics
    counts: NDArray[Any]


def code_figures(counts: NDArray[Any]) -> Metrics:
    """``code_entropy_bits``: Shannon entropy of the codes, what an ideal entropy coder would need an element;
    ``codes_used``: how many of the codes occur."""
    used = counts[counts > 0].astype(np.float64)
    if not used.size:
        return {}
    share = used / used.sum()
    return {"code_entropy_bits": max(0.0, -float((share * np.log2(share)).sum())), "codes_used": int(used.size)}

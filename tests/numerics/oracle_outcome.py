"""What comparing the harness with another library yields: one row of docs/oracles.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """``format`` against ``oracle``: how many values of what kind were compared, and how many differ.

    ``explained`` counts differences that follow from a definition the oracle declares and the harness does not share;
    ``mismatches`` are all others.
    """

    format: str
    oracle: str
    what: str
    compared: int
    mismatches: int
    explained: int = 0

    def __str__(self) -> str:
        return f"{self.format} / {self.oracle} / {self.what}"


@dataclass(frozen=True)
class OracleRow:
    """One comparison that can be run; ``id`` names it in test reports."""

    id: str
    run: Callable[[], Outcome]


def differing(ours: NDArray[Any], theirs: NDArray[Any]) -> int:
    """Elements that differ; of floats the bits count, so that -0 is not +0, but NaN is NaN."""
    assert ours.shape == theirs.shape
    if ours.dtype == theirs.dtype == np.float32:
        unequal = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(ours) & np.isnan(theirs))
        return int(np.count_nonzero(unequal))
    return int(np.count_nonzero(ours.astype(np.int64) != theirs.astype(np.int64)))


def f32_sweep() -> NDArray[np.float32]:
    """Every finite upper half of an f32, with lower halves on, beside and between the places where ties can lie."""
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=np.uint32)
    x = ((np.arange(1 << 16, dtype=np.uint32) << 16)[:, None] | lower).ravel().view(np.float32)
    return x[np.isfinite(x)]

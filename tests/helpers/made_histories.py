"""Histories on disk: what each case took, night by night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from made_runs import case, make_run
from numpy.typing import NDArray

NIGHTS = 40


def nights(
    rng: np.random.Generator, count: int = NIGHTS, time_s: float = 1e-3, noise: float = 0.003
) -> NDArray[np.float64]:
    """A case's times with heavy tails: Student's t of 4 degrees of freedom."""
    return time_s * np.exp(noise * rng.standard_t(4, count))


def step(times: NDArray[np.float64], night: int, ratio: float) -> NDArray[np.float64]:
    """``times``, from a night on longer by ``ratio``."""
    return np.where(np.arange(len(times)) < night, times, times * ratio)


def make_history(
    out: Path,
    cases: Mapping[int, Sequence[float]],
    environment: Mapping[int, Mapping[str, Any]] | None = None,
    first: int = 0,
) -> Path:
    """Write a run a night: case number → its time in each. ``environment``: night → columns that change from it on."""
    current: dict[str, Any] = {}
    for night in range(max(map(len, cases.values()))):
        current |= (environment or {}).get(night, {})
        rows = [case(number, [times[night]] * 12) for number, times in cases.items() if night < len(times)]
        make_run(out, rows, day=first + night, **current)
    return out

"""Histories that nobody measured: a case's times night by night, of each kind that a gate must bear, and on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from made_runs import case, make_run
from numpy.typing import NDArray

NIGHTS = 40

Times = NDArray[np.float64]


def nights(rng: np.random.Generator, count: int = NIGHTS, time_s: float = 1e-3, noise: float = 0.003) -> Times:
    """A case's times with heavy tails: Student's t of 4 degrees of freedom."""
    return time_s * np.exp(noise * rng.standard_t(4, count))


def step(times: Times, night: int, ratio: float) -> Times:
    """``times``, from a night on longer by ``ratio``."""
    return np.where(np.arange(len(times)) < night, times, times * ratio)


def drift(times: Times, share: float) -> Times:
    """``times``, longer by ``share`` at the end than at the beginning, a little each night."""
    return times * np.exp(np.log1p(share) * np.linspace(0, 1, len(times)))


def bimodal(rng: np.random.Generator, times: Times, ratio: float = 1.1) -> Times:
    """``times``, each night at random longer by ``ratio`` or not."""
    return times * np.where(rng.random(len(times)) < 0.5, 1.0, ratio)


def outliers(rng: np.random.Generator, times: Times, chance: float = 0.05) -> Times:
    """``times``, now and then a night that is slow by 10 to 50 %."""
    return np.where(rng.random(len(times)) < chance, times * rng.uniform(1.1, 1.5, len(times)), times)


def dip(times: Times, night: int, length: int, ratio: float) -> Times:
    """``times``, for some nights longer by ``ratio``."""
    inside = (np.arange(len(times)) >= night) & (np.arange(len(times)) < night + length)
    return np.where(inside, times * ratio, times)


KINDS: dict[str, Callable[[np.random.Generator, Times, int], Times]] = {
    "steady": lambda rng, times, at: times,
    "outliers": lambda rng, times, at: outliers(rng, times),
    "bimodal": lambda rng, times, at: bimodal(rng, times),
    "drift of 1 %": lambda rng, times, at: drift(times, 0.01),
    "+3 %": lambda rng, times, at: step(times, at, 1.03),
    "+5 %": lambda rng, times, at: step(times, at, 1.05),
    "+10 %": lambda rng, times, at: step(times, at, 1.10),
    "+5 %, outliers": lambda rng, times, at: outliers(rng, step(times, at, 1.05)),
}
"""Name → what becomes of steady times; steps come at a night that is given."""


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

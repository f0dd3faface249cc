"""What a timer is asked: the ``measure`` part of a suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """How to time. ``l2`` and ``mode`` are part of a case's identity; the rest says when enough has been seen.

    The floor is ``min_samples`` and ``min_time_s`` (wall seconds of sampling, rests included); the criterion ``stopping``
    decides after that; the limits ``max_samples`` and ``max_time_s`` beat everything. ``max_time_s`` limits the warm-up,
    and then the sampling.
    """

    l2: Literal["cold", "hot"] = "cold"
    mode: Literal["burst", "steady"] = "burst"
    stopping: Literal["stdrel", "entropy"] = "stdrel"
    max_noise: float = 0.005
    min_samples: int = 50
    max_samples: int = 5000
    min_time_s: float = 0.5
    max_time_s: float = 2.0

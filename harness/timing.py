"""What a timer is asked and what it reports, whatever the backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True)
class Measure:
    """How to time. ``l2`` and ``mode`` are part of a case's identity; the limits are not."""

    l2: Literal["cold", "hot"] = "cold"
    mode: Literal["burst", "steady"] = "burst"
    min_samples: int = 50
    max_time_s: float = 2.0


@dataclass(frozen=True, eq=False)
class Timing:
    """Seconds. ``time_s`` is the median; ``noise`` the robust relative spread, 1.4826·MAD / median."""

    samples: NDArray[np.float64]
    time_s: float
    time_p05_s: float
    time_p95_s: float
    noise: float

    @classmethod
    def of(cls, samples: NDArray[np.float64]) -> Timing:
        """Summarise raw samples (at least one)."""
        p05, median, p95 = (float(q) for q in np.quantile(samples, (0.05, 0.5, 0.95)))
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(samples - median)))
        return cls(samples, median, p05, p95, spread / median if median > 0 else 0.0)

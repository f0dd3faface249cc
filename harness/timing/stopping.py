"""When enough samples have been taken. A criterion is shown every sample and asked after each round.

``stdrel`` and ``entropy`` after NVBench's criteria of these names. The limits of ``stdrel`` are NVBench's; ``entropy`` takes
its slope (0.048 degrees), but tells samples apart at a thousandth where NVBench compares them exactly.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.timing.measure import Measure


class StopReason(StrEnum):
    """What ended the sampling of a case."""

    NOISE = "noise"
    NOISE_STABLE = "noise_stable"
    ENTROPY = "entropy"
    MAX_SAMPLES = "max_samples"
    MAX_TIME = "max_time"


STOP_DOC: dict[StopReason, str] = {
    StopReason.NOISE: "the relative standard deviation fell below max_noise",
    StopReason.NOISE_STABLE: "the relative standard deviation no longer changed, though it is above max_noise",
    StopReason.ENTROPY: "the entropy of the samples no longer grew",
    StopReason.MAX_SAMPLES: "max_samples were taken, or as many as a kernel of its kind is given",
    StopReason.MAX_TIME: "max_time_s was over",
}


class Criterion(Protocol):
    """Sees samples in order; says why it has seen enough, or None."""

    def add(self, samples: NDArray[np.float64]) -> None: ...

    def reached(self) -> StopReason | None: ...


class StdRel:
    """Relative standard deviation of all samples below ``max_noise``; or, where that will never be, the same figure
    after each of the last 64 samples within 5 % of its mean."""

    WINDOW = 64
    STABLE = 0.05

    def __init__(self, max_noise: float) -> None:
        self._max_noise = max_noise
        self._samples = np.empty(0)
        self._noise = np.empty(0)

    def add(self, samples: NDArray[np.float64]) -> None:
        seen = len(self._samples)
        self._samples = np.concatenate([self._samples, samples])
        # Running figures about the first sample, which keeps the sums of squares small.
        shifted = self._samples - self._samples[0]
        counts = np.arange(1, len(shifted) + 1)
        mean = np.cumsum(shifted) / counts
        variance = np.maximum(np.cumsum(shifted**2) / counts - mean**2, 0) * counts / np.maximum(counts - 1, 1)
        centre = mean + self._samples[0]
        noise = np.divide(np.sqrt(variance), centre, out=np.zeros_like(centre), where=centre > 0)
        self._noise = np.concatenate([self._noise, noise[seen:]])[-self.WINDOW :]

    def reached(self) -> StopReason | None:
        if len(self._samples) < 2:
            return None
        if self._noise[-1] < self._max_noise:
            return StopReason.NOISE
        window = self._noise
        if len(window) == self.WINDOW and np.std(window) < self.STABLE * np.mean(window):
            return StopReason.NOISE_STABLE
        return None


class Entropy:
    """Entropy of the distribution of samples, told apart at a thousandth of the first one, against their number: no
    longer growing where a line through its last 64 values climbs less than 0.048 degrees, 0.00084 bits a sample."""

    WINDOW = 64
    SLOPE = math.tan(math.radians(0.048))
    RESOLUTION = 1e-3

    def __init__(self, max_noise: float) -> None:
        self._counts: Counter[int] = Counter()
        self._first: float | None = None
        self._total, self._weighted = 0, 0.0  # samples; Σ c·log2 c over the counts c
        self._entropies: list[float] = []

    def add(self, samples: NDArray[np.float64]) -> None:
        for sample in samples.tolist():
            self._first = self._first or sample
            bin_ = round(sample / (self._first * self.RESOLUTION)) if self._first else 0
            count = self._counts[bin_]
            self._weighted += (count + 1) * math.log2(count + 1) - (count * math.log2(count) if count else 0.0)
            self._counts[bin_] = count + 1
            self._total += 1
            self._entropies.append(math.log2(self._total) - self._weighted / self._total)
        self._entropies = self._entropies[-self.WINDOW :]

    def reached(self) -> StopReason | None:
        if len(self._entropies) < self.WINDOW:
            return None
        slope = float(np.polyfit(np.arange(self.WINDOW), self._entropies, 1)[0])
        return StopReason.ENTROPY if slope < self.SLOPE else None


CRITERIA: dict[str, Callable[[float], Criterion]] = {"stdrel": StdRel, "entropy": Entropy}


def criterion_of(measure: Measure) -> Criterion:
    """The criterion that a measure asks for."""
    return CRITERIA[measure.stopping](measure.max_noise)

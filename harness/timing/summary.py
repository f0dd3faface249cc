"""What a timer reports: raw samples with their rounds, and the figures derived from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.timing.stopping import StopReason
from harness.timing.stopwatch import MachineState, Round

_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_RESAMPLES = 1000
_CONFIDENCE = 0.95
_MIN_ROUNDS = 5  # below that the interval is made from single samples


@dataclass(frozen=True, eq=False)
class Timing:
    """Seconds a launch. ``time_s`` is the median of all samples, between ``time_low_s`` and ``time_high_s`` with 95 %
    confidence (bootstrap over rounds); ``noise`` the robust relative spread, 1.4826·MAD / median. ``rounds`` says for
    each sample which round it is from, ``states`` how the machine was in each."""

    samples: NDArray[np.float64]
    rounds: NDArray[np.int64]
    states: tuple[MachineState, ...]
    launches_per_sample: int
    stop: StopReason
    time_s: float
    time_p05_s: float
    time_p95_s: float
    time_low_s: float
    time_high_s: float
    noise: float

    @classmethod
    def of(cls, rounds: Sequence[Round], stop: StopReason) -> Timing:
        """Summarise rounds (at least one, of at least one sample)."""
        samples = np.concatenate([each.samples for each in rounds])
        p05, median, p95 = (float(q) for q in np.quantile(samples, (0.05, 0.5, 0.95)))
        low, high = median_interval([each.samples for each in rounds])
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(samples - median)))
        return cls(
            samples,
            np.repeat(np.arange(len(rounds)), [len(each.samples) for each in rounds]),
            tuple(each.state for each in rounds),
            max(each.launches_per_sample for each in rounds),
            stop,
            median,
            p05,
            p95,
            low,
            high,
            spread / median if median > 0 else 0.0,
        )

    def by_round(self) -> list[NDArray[np.float64]]:
        """The samples, round by round."""
        starts = np.flatnonzero(np.diff(self.rounds)) + 1
        return np.split(self.samples, starts)


def median_interval(rounds: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of the median. Samples of a round are alike, so rounds are resampled, each by
    its median; single samples where there are fewer than five rounds. The same samples give the same interval.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = np.array([np.median(each) for each in rounds]) if len(rounds) >= _MIN_ROUNDS else np.concatenate(rounds)
    chosen = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    medians = np.median(values[chosen], axis=1)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(medians, (tail, 1 - tail))
    return float(low), float(high)


def throttled_share(states: Sequence[MachineState]) -> float:
    """Share of rounds in which something held the clocks down."""
    return sum(bool(state.throttle_reasons) for state in states) / len(states)


def throttle_counts(states: Sequence[MachineState]) -> Counter[str]:
    """Reason → rounds in which it held the clocks down."""
    return Counter(reason for state in states for reason in state.throttle_reasons)


def median_of(states: Sequence[MachineState], name: str) -> float | None:
    """Median over rounds of a figure of the machine's state; None where it was never told."""
    values = [value for state in states if (value := getattr(state, name)) is not None]
    return float(np.median(values)) if values else None

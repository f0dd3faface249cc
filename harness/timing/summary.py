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
_AT_ONCE = 100  # 5000 samples: 4 MB an array
_CONFIDENCE = 0.95
_MIN_ROUNDS = 5  # below that the interval is made from single samples


@dataclass(frozen=True, eq=False)
class Timing:
    """Seconds a launch. ``time_s`` is the median of all samples, between ``time_low_s`` and ``time_high_s`` with 95 %
    confidence (bootstrap over rounds); ``noise`` the robust relative spread, 1.4826·MAD / median. ``rounds`` says for
    each sample which round it is from, ``states`` how the machine was in each; ``settled`` whether the machine had settled
    before (None where that was not asked: mode ``burst``)."""

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
    settled: bool | None = None

    @classmethod
    def of(cls, rounds: Sequence[Round], stop: StopReason, settled: bool | None = None) -> Timing:
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
            settled,
        )

    def by_round(self) -> list[NDArray[np.float64]]:
        """The samples, round by round."""
        starts = np.flatnonzero(np.diff(self.rounds)) + 1
        return np.split(self.samples, starts)


def median_interval(rounds: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of the median of all samples. Samples of a round are alike, so whole rounds are
    drawn, with all their samples; single samples where there are fewer than five rounds. The same samples give the same
    interval.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; of clusters: Davison and Hinkley, Bootstrap
    Methods and their Application, 1997, section 3.8.
    """
    samples = np.concatenate(rounds)
    if len(rounds) < _MIN_ROUNDS:
        rounds = [samples[index : index + 1] for index in range(len(samples))]
    owner = np.repeat(np.arange(len(rounds)), [len(each) for each in rounds])
    order = np.argsort(samples, kind="stable")
    random, medians = np.random.default_rng(0), np.empty(_RESAMPLES)
    for first in range(0, _RESAMPLES, _AT_ONCE):
        drawn = random.multinomial(len(rounds), np.full(len(rounds), 1 / len(rounds)), _AT_ONCE)
        below = np.cumsum(drawn[:, owner[order]], axis=1)  # samples drawn, up to each in order
        middle = np.argmax(2 * below >= below[:, -1:], axis=1)
        medians[first : first + _AT_ONCE] = samples[order][middle]
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

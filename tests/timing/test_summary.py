"""Figures of raw samples."""

from __future__ import annotations

import numpy as np
import pytest
from fake_stopwatch import timing_of

from harness.timing import MachineState, Round, StopReason, Timing
from harness.timing.summary import median_interval, median_of, throttle_counts, throttled_share


def test_figures_of_samples():
    timing = timing_of(1.0, 2.0, 3.0, 4.0, 100.0)
    assert timing.time_s == 3.0
    assert timing.time_p95_s == pytest.approx(80.8)
    assert timing.noise == pytest.approx(1.4826 / 3)
    assert timing.time_low_s <= 3.0 <= timing.time_high_s


def test_the_interval_holds_the_median_as_often_as_it_says():
    """Rounds differ more than samples within them: an interval from single samples would miss far more often."""
    random, held, narrow = np.random.default_rng(1), 0, 0
    for _ in range(300):
        centres = 1 + 0.02 * random.standard_normal(20)
        rounds = [centre + 0.001 * random.standard_normal(32) for centre in centres]
        low, high = median_interval(rounds)
        held += low <= 1 <= high
        low, high = median_interval([np.concatenate(rounds)])
        narrow += low <= 1 <= high
    assert held / 300 > 0.90
    assert narrow / 300 < 0.75


def test_the_interval_is_of_the_median_of_all_samples():
    """Rounds of throttled launches hold fewer samples: a median of rounds' medians would be another figure."""
    random = np.random.default_rng(0)
    slow = [4e-4 * (1 + 1e-3 * random.standard_normal(50)) for _ in range(62)]
    fast = [2e-4 * (1 + 1e-3 * random.standard_normal(100)) for _ in range(38)]
    timing = Timing.of([Round(each) for each in (*slow, *fast)], StopReason.MAX_TIME)
    assert timing.time_s == pytest.approx(2e-4, rel=0.01)
    assert timing.time_low_s <= timing.time_s <= timing.time_high_s
    assert timing.time_high_s > 3.9e-4, "which of the two is the median is not certain"


def test_few_rounds_are_resampled_by_sample():
    samples = 1 + 0.01 * np.random.default_rng(0).standard_normal(400)
    low, high = median_interval([samples[:200], samples[200:]])
    assert 1e-4 < high - low < 5e-3


def test_the_state_of_the_machine_over_rounds():
    cap = MachineState(sm_clock_hz=1.2e9, throttle_reasons=("sw_power_cap",))
    states = (MachineState(sm_clock_hz=1.9e9), cap, cap, MachineState())
    assert throttled_share(states) == 0.5
    assert throttle_counts(states) == {"sw_power_cap": 2}
    assert median_of(states, "sm_clock_hz") == 1.2e9
    assert median_of(states, "power_w") is None


def test_launches_of_a_sample_are_reported():
    timing = Timing.of([Round(np.array([1e-6]), launches_per_sample=32)], StopReason.MAX_SAMPLES)
    assert timing.launches_per_sample == 32

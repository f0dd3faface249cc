"""The engine on a machine that the test moves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fake_stopwatch import FakeStopwatch, noise

from harness.timing import MachineState, Measure, StopReason, time_rounds


def test_warm_up_rounds_and_rests_take_turns():
    watch = FakeStopwatch(per_round=10)
    timing = time_rounds(watch, Measure(min_samples=30, min_time_s=0))
    assert watch.calls == ["warm up", "round", "rest", "round", "rest", "round"]
    assert timing.rounds.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert [each.tolist() for each in timing.by_round()] == [[1e-3] * 10] * 3
    assert timing.stop is StopReason.NOISE


@pytest.mark.parametrize(("floor", "rounds"), [({"min_samples": 25, "min_time_s": 0}, 3), ({"min_time_s": 0.055}, 6)])
def test_the_floor_is_of_samples_and_of_time(floor, rounds):
    """Even where the very first samples are all alike."""
    watch = FakeStopwatch(per_round=10)
    timing = time_rounds(watch, Measure(**{"min_samples": 1, **floor}))
    assert watch.calls.count("round") == rounds
    assert timing.stop is StopReason.NOISE


def test_rests_count_as_time_of_sampling():
    watch = FakeStopwatch(per_round=10, rest_s=0.03)
    time_rounds(watch, Measure(min_samples=1, min_time_s=0.06))
    assert watch.calls.count("round") == 3


def test_noisy_samples_end_when_their_noise_no_longer_changes():
    timing = time_rounds(FakeStopwatch(noise(1e-3, 0.2)), Measure(min_time_s=0))
    assert timing.stop is StopReason.NOISE_STABLE
    assert 64 <= len(timing.samples) < 2000
    assert timing.noise == pytest.approx(0.2, rel=0.4)


def test_samples_are_taken_until_they_are_quiet_enough():
    """One outlier at the start: its weight falls with the square root of the count."""
    times = itertools.chain([1.3e-3], noise(1e-3, 0.001))
    timing = time_rounds(FakeStopwatch(times), Measure(min_samples=1, min_time_s=0, max_noise=0.02))
    assert timing.stop in (StopReason.NOISE, StopReason.NOISE_STABLE)
    assert len(timing.samples) > 60


@pytest.mark.parametrize(
    ("measure", "stop", "samples"),
    [
        ({"max_samples": 23, "min_samples": 50}, StopReason.MAX_SAMPLES, 23),
        ({"max_time_s": 0.035, "min_samples": 50}, StopReason.MAX_TIME, 40),
        ({"max_time_s": 1e-9}, StopReason.MAX_TIME, 10),
    ],
)
def test_limits_beat_the_floor_and_one_round_is_always_taken(measure, stop, samples):
    timing = time_rounds(FakeStopwatch(noise(1e-3, 0.2)), Measure(**measure))
    assert (timing.stop, len(timing.samples)) == (stop, samples)


def test_warm_up_does_not_use_up_the_time_of_sampling():
    watch = FakeStopwatch(warm_up_s=10.0, per_round=10)
    timing = time_rounds(watch, Measure(max_time_s=2.0, min_samples=50, min_time_s=0))
    assert watch.calls[0] == "warm up"
    assert len(timing.samples) == 50
    assert watch.now == pytest.approx(2.0 + 0.05), "warm-up ends at its own limit"


def test_a_kernel_s_own_limit_needs_no_warm_up():
    watch = FakeStopwatch(per_round=10)
    timing = time_rounds(watch, Measure(), max_samples=3)
    assert watch.calls == ["round"]
    assert (timing.samples.tolist(), timing.stop) == ([1e-3] * 3, StopReason.MAX_SAMPLES)


def test_entropy_ends_when_nothing_new_is_seen():
    times = itertools.cycle([1.00e-3, 1.01e-3, 1.02e-3])
    timing = time_rounds(FakeStopwatch(times), Measure(stopping="entropy", min_samples=1, min_time_s=0))
    assert timing.stop is StopReason.ENTROPY
    assert 64 <= len(timing.samples) < 1000


def test_states_are_kept_round_by_round():
    clocks = iter([1.9e9, 1.5e9, 1.2e9])
    watch = FakeStopwatch(state=lambda: MachineState(sm_clock_hz=next(clocks)))
    timing = time_rounds(watch, Measure(min_samples=30, min_time_s=0))
    assert [state.sm_clock_hz for state in timing.states] == [1.9e9, 1.5e9, 1.2e9]


def test_the_same_samples_give_the_same_interval():
    runs = [time_rounds(FakeStopwatch(noise(1e-3, 0.05)), Measure(min_time_s=0)) for _ in range(2)]
    assert runs[0].time_low_s == runs[1].time_low_s < runs[0].time_s < runs[0].time_high_s == runs[1].time_high_s
    np.testing.assert_array_equal(runs[0].samples, runs[1].samples)

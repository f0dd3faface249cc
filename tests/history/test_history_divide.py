"""Change points: steps are found where they are, and noise, outliers and alternation are none."""

from __future__ import annotations

import numpy as np
import pytest
from made_histories import nights, step

from harness.history.divide import FEWEST, LONGEST, divide, energy_place

BAND = 0.02


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_noise_has_no_change(rng):
    found = [divide(nights(rng, 60), BAND) for _ in range(200)]
    assert sum(map(len, found)) <= 1


def test_noise_wider_than_the_band_has_hardly_any(rng):
    found = [divide(nights(rng, 60, noise=0.02), BAND) for _ in range(100)]
    assert sum(map(bool, found)) <= 10


@pytest.mark.parametrize("night", [FEWEST + 2, 20, 40, 60 - FEWEST - 1])
@pytest.mark.parametrize("ratio", [0.9, 1.05])
def test_a_step_is_found_where_it_is(rng, night, ratio):
    (found,) = divide(step(nights(rng, 60), night, ratio), BAND)
    assert abs(found - night) <= 1


def test_steps_beyond_the_noise_are_found_to_the_night(rng):
    for _ in range(100):
        night = int(rng.integers(FEWEST, 60 - FEWEST + 1))
        assert divide(step(nights(rng, 60, noise=0.002), night, 1.1), BAND) == [night]


def test_outliers_hide_no_step(rng):
    times = step(nights(rng, 60), 40, 1.05)
    times[::9] *= 3
    (found,) = divide(times, BAND)
    assert abs(found - 40) <= 1


def test_outliers_alone_are_no_change(rng):
    times = nights(rng, 60)
    times[[7, 8, 30, 59]] *= 4
    assert divide(times, BAND) == []


def test_a_short_dip_has_two_ends(rng):
    times = nights(rng, 60)
    times[30:38] *= 1.1
    assert divide(times, BAND) == [30, 38]


def test_alternation_of_two_states_is_no_change(rng):
    times = nights(rng, 60) * np.where(rng.random(60) < 0.5, 1.0, 1.1)
    assert divide(times, BAND) == []


def test_drift_becomes_steps_that_add_up_to_it(rng):
    times = nights(rng, 60) * np.linspace(1, 1.12, 60)
    found = divide(times, BAND)
    assert found
    levels = [np.median(part) for part in np.split(times, found)]
    assert np.all(np.diff(levels) > 0)
    assert levels[-1] / levels[0] > 1.06


def test_a_change_within_the_band_is_none(rng):
    assert divide(step(nights(rng, 60, noise=0.001), 30, 1.015), BAND) == []
    assert divide(step(nights(rng, 60, noise=0.001), 30, 1.04), 0.05) == []


def test_the_same_series_gives_the_same_places(rng):
    times = step(nights(rng, 60, noise=0.02), 30, 1.05)
    assert divide(times, BAND) == divide(times.copy(), BAND)


@pytest.mark.parametrize("count", [0, 1, 2 * FEWEST - 1])
def test_short_series_have_none(count):
    assert divide(np.linspace(1, 2, count) if count else np.empty(0), BAND) == []


def test_equal_times_have_none():
    assert divide(np.full(30, 1e-3), BAND) == []


def test_of_a_long_series_the_last_runs_are_looked_at(rng):
    times = step(nights(rng, LONGEST + 200), 1150, 1.1)
    assert divide(times, BAND) == [1150]
    assert divide(step(nights(rng, LONGEST + 200), 100, 1.1), BAND) == []


def test_energy_is_the_statistic_of_the_paper(rng):
    values = rng.permutation(20).astype(float)
    ranks = values + 1

    def mean(a, b, same):
        distances = np.abs(a[:, None] - b[None, :])
        return distances.sum() / (len(a) * (len(a) - 1) if same else distances.size)

    def energy(n):
        a, b = ranks[:n], ranks[n:]
        return n * len(b) / 20 * (2 * mean(a, b, False) - mean(a, a, True) - mean(b, b, True))

    places = range(FEWEST, 20 - FEWEST + 1)
    assert energy_place(values) == max(places, key=energy)

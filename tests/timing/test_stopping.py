"""Criteria, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from harness.timing.stopping import CRITERIA, STOP_DOC, Entropy, StdRel, StopReason


def _normal(count, relative=0.01, seed=0):
    return 1e-4 * (1 + relative * np.random.default_rng(seed).standard_normal(count))


@pytest.mark.parametrize("parts", [1, 7, 100])
def test_noise_is_the_relative_standard_deviation_of_all_samples(parts):
    samples = _normal(100)
    exact = np.std(samples, ddof=1) / np.mean(samples)
    below, above = StdRel(exact * 1.0001), StdRel(exact * 0.9999)
    for part in np.array_split(samples, parts):
        below.add(part)
        above.add(part)
    assert below.reached() is StopReason.NOISE
    assert above.reached() is not StopReason.NOISE


def test_one_sample_has_no_noise():
    criterion = StdRel(1.0)
    assert criterion.reached() is None
    criterion.add(np.array([1e-3]))
    assert criterion.reached() is None


def test_noise_that_grows_is_not_stable():
    criterion = StdRel(0.005)
    criterion.add(np.linspace(1e-3, 2e-3, 80))
    assert criterion.reached() is None
    criterion.add(np.tile(np.linspace(1e-3, 2e-3, 80), 20))
    assert criterion.reached() is StopReason.NOISE_STABLE


def test_entropy_grows_while_new_values_come():
    criterion = Entropy(0.0)
    criterion.add(1e-3 + 1e-5 * np.arange(100))
    assert criterion.reached() is None, "every value is new"
    criterion.add(np.full(3000, 1e-3))
    assert criterion.reached() is StopReason.ENTROPY


def test_entropy_is_that_of_the_distribution():
    criterion = Entropy(0.0)
    criterion.add(np.repeat([1.0, 2.0, 3.0, 4.0], 25))
    assert criterion._entropies[-1] == pytest.approx(2.0)


def test_every_reason_is_documented_and_every_criterion_is_named():
    assert set(STOP_DOC) == set(StopReason)
    assert set(CRITERIA) == {"stdrel", "entropy"}


@pytest.mark.parametrize("criterion", [StdRel(0.005), Entropy(0.0)])
def test_samples_of_a_clock_that_does_not_move(criterion):
    criterion.add(np.zeros(100))
    assert criterion.reached() in (StopReason.NOISE, StopReason.ENTROPY)

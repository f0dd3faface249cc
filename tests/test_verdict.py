"""Verdicts on synthetic rounds: what is the same is not called otherwise, what is slower is found."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from harness.verdict import FALSE_DISCOVERY_RATE, CasePair, Change, compare_cases

PAIRS = 2000
ROUNDS = 10


def normal(rng, shape, noise=0.01):
    return 1 + noise * rng.standard_normal(shape)


def heavy_tailed(rng, shape):
    """Student's t with 2 degrees of freedom: no variance; kept positive as times are."""
    return np.exp(0.01 * rng.standard_t(2, shape))


def skewed(rng, shape):
    return 1 + rng.exponential(0.05, shape)


def coarse(rng, shape):
    """A timer of 1 % steps: many ties."""
    return np.round(normal(rng, shape), 2)


def pairs_of(a, b):
    return [CasePair(str(index), *sides) for index, sides in enumerate(zip(a, b, strict=True))]


def compare(a, b, floors=None):
    return compare_cases(pairs_of(a, b), floors or {})


def counts(verdicts):
    return Counter(each.verdict for each in verdicts)


def false_share(verdicts):
    found = counts(verdicts)
    return (found[Change.SLOWER] + found[Change.FASTER]) / len(verdicts)


@pytest.mark.parametrize("noise", [normal, heavy_tailed, skewed, coarse])
def test_identical_sides_get_no_verdict(noise):
    rng = np.random.default_rng(1)
    assert false_share(compare(noise(rng, (PAIRS, ROUNDS)), noise(rng, (PAIRS, ROUNDS)))) <= 0.005


@pytest.mark.parametrize("steps", ["ramp", "walk", "jump"])
def test_drift_that_both_sides_share_gets_no_verdict(steps):
    """The clock falls while rounds are interleaved A B, B A: both sides see it."""
    rng = np.random.default_rng(2)
    ticks = np.arange(2 * ROUNDS) / (2 * ROUNDS)
    drift = {
        "ramp": np.broadcast_to(0.1 * ticks, (PAIRS, 2 * ROUNDS)),
        "walk": np.cumsum(0.02 * rng.standard_normal((PAIRS, 2 * ROUNDS)), axis=1),
        "jump": 0.2 * (ticks > rng.random((PAIRS, 1))),
    }[steps]
    times = normal(rng, (PAIRS, 2 * ROUNDS)) * np.exp(drift)
    first, second = times[:, 0::2].copy(), times[:, 1::2].copy()
    first[:, 1::2], second[:, 1::2] = times[:, 3::4], times[:, 2::4]
    assert false_share(compare(first, second)) <= 0.005


@pytest.mark.parametrize(("shift", "wanted"), [(1.05, Change.SLOWER), (1 / 1.05, Change.FASTER)])
def test_five_percent_is_found_among_cases_that_did_not_change(shift, wanted):
    rng = np.random.default_rng(3)
    a, b = normal(rng, (PAIRS, ROUNDS)), normal(rng, (PAIRS, ROUNDS))
    b[:400] *= shift
    verdicts = compare(a, b)
    assert counts(verdicts[:400])[wanted] > 0.95 * 400
    assert false_share(verdicts[400:]) <= 0.005


def test_one_percent_is_the_same():
    rng = np.random.default_rng(4)
    found = counts(compare(normal(rng, (PAIRS, ROUNDS), 0.003), 1.01 * normal(rng, (PAIRS, ROUNDS), 0.003)))
    assert found[Change.SAME] > 0.95 * PAIRS
    assert found[Change.SLOWER] == found[Change.FASTER] == 0


def test_a_difference_at_the_edge_of_the_band_is_unsure():
    rng = np.random.default_rng(5)
    found = counts(compare(normal(rng, (200, 30)), 1.02 * normal(rng, (200, 30))))
    assert found[Change.UNSURE] > 150


def test_one_case_among_two_thousand_can_be_told_at_ten_rounds():
    rng = np.random.default_rng(6)
    a, b = normal(rng, (PAIRS, ROUNDS), 0.001), normal(rng, (PAIRS, ROUNDS), 0.001)
    b[7] *= 1.1
    assert [each.case_id for each in compare(a, b) if each.verdict is not Change.SAME] == ["7"]


def test_the_floor_of_a_case_widens_its_band():
    rng = np.random.default_rng(7)
    a, b = normal(rng, (2, ROUNDS), 0.002), 1.05 * normal(rng, (2, ROUNDS), 0.002)
    kept, floored = compare(a, b, {"1": 0.1})
    assert (kept.verdict, kept.floor) == (Change.SLOWER, 0)
    assert (floored.verdict, floored.floor) == (Change.SAME, 0.1)
    assert compare(a, b, {"0": 0.001})[0].verdict is Change.SLOWER


def test_figures_are_those_of_scipy():
    rng = np.random.default_rng(8)
    a, b = normal(rng, (50, ROUNDS)), normal(rng, (50, ROUNDS))
    b[:10] *= 1.04
    verdicts = compare(a, b)
    p = np.array([stats.mannwhitneyu(*sides, method="exact").pvalue for sides in zip(a, b, strict=True)])
    q = stats.false_discovery_control(p, method="bh")
    assert [each.p for each in verdicts] == pytest.approx(p)
    assert [each.q for each in verdicts] == pytest.approx(q)
    assert [each.ratio for each in verdicts] == pytest.approx(np.median(b, axis=1) / np.median(a, axis=1))
    assert [each.verdict is Change.SLOWER for each in verdicts] == list(
        (q <= FALSE_DISCOVERY_RATE) & np.array([each.low > 1.02 for each in verdicts])
    )


def test_what_is_not_proved_is_not_proved_to_be_the_same():
    """A difference of 30 % in noise of 35 %: the test seldom rejects, and the interval says how little is known."""
    rng = np.random.default_rng(10)
    found = counts(compare(normal(rng, (200, ROUNDS), 0.35), 1.3 * normal(rng, (200, ROUNDS), 0.35)))
    assert found[Change.SAME] == 0
    assert found[Change.UNSURE] > 150


def test_the_interval_is_the_bootstrap_s():
    rng = np.random.default_rng(9)
    a, b = normal(rng, ROUNDS), normal(rng, 13)
    (verdict,) = compare_cases([CasePair("x", a, b)], {})
    peer = stats.bootstrap(
        (a, b),
        lambda a, b, axis: np.median(b, axis=axis) / np.median(a, axis=axis),
        method="percentile",
        n_resamples=20_000,
        rng=rng,
    ).confidence_interval
    assert (verdict.low, verdict.high) == pytest.approx((peer.low, peer.high), abs=0.002)
    assert verdict.low < verdict.ratio < verdict.high


def test_the_interval_holds_the_true_ratio():
    """Percentile intervals of so few rounds are a little short of 95 %; the rank test has to agree besides."""
    rng = np.random.default_rng(10)
    verdicts = compare(normal(rng, (PAIRS, ROUNDS)), normal(rng, (PAIRS, ROUNDS)))
    assert sum(each.low <= 1 <= each.high for each in verdicts) > 0.92 * PAIRS


def test_more_rounds_than_the_exact_test_takes():
    rng = np.random.default_rng(11)
    a, b = normal(rng, (20, 200)), normal(rng, (20, 200))
    b[0] *= 1.05
    assert counts(compare(a, b)) == {Change.SLOWER: 1, Change.SAME: 19}


def test_sides_may_have_different_numbers_of_rounds():
    rng = np.random.default_rng(12)
    sizes = [(10, 12), (12, 10), (10, 10), (60, 10), (10, 12)]
    pairs = [CasePair(str(i), normal(rng, a), 1.5 * normal(rng, b)) for i, (a, b) in enumerate(sizes)]
    verdicts = compare_cases(pairs, {})
    assert [each.case_id for each in verdicts] == ["0", "1", "2", "3", "4"]
    assert all(each.verdict is Change.SLOWER and each.ratio == pytest.approx(1.5, rel=0.02) for each in verdicts)


def test_too_few_rounds_are_unsure_and_no_part_of_the_correction():
    rng = np.random.default_rng(13)
    good = CasePair("good", normal(rng, 10), 1.1 * normal(rng, 10))
    short = [CasePair(f"short{i}", normal(rng, 9), 1.1 * normal(rng, 10)) for i in range(100)]
    verdicts = compare_cases([*short, good], {})
    assert {each.verdict for each in verdicts[:-1]} == {Change.UNSURE}
    assert verdicts[0].reason == "needs 10 rounds a side (got 9)"
    assert verdicts[0].ratio is verdicts[0].p is verdicts[0].q is None
    assert (verdicts[-1].verdict, verdicts[-1].reason) == (Change.SLOWER, None)
    assert verdicts[-1].q == verdicts[-1].p


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_times_that_are_none_are_unsure(bad):
    a = np.ones(10)
    (verdict,) = compare_cases([CasePair("x", a, np.append(a, bad))], {})
    assert verdict.verdict is Change.UNSURE
    assert verdict.reason == "holds rounds that took no time"


def test_constant_sides():
    same, slower = compare(np.ones((2, ROUNDS)), np.array([[1.0], [1.5]]) * np.ones((2, ROUNDS)))
    assert (same.verdict, same.p, same.low, same.high) == (Change.SAME, 1, 1, 1)
    assert (slower.verdict, slower.low, slower.high) == (Change.SLOWER, 1.5, 1.5)


def test_nothing_to_compare():
    assert compare_cases([], {}) == ()


def test_two_thousand_pairs_take_seconds():
    rng = np.random.default_rng(14)
    a, b = normal(rng, (PAIRS, ROUNDS)), normal(rng, (PAIRS, ROUNDS))
    begin = time.process_time()
    compare(a, b)
    assert time.process_time() - begin < 10

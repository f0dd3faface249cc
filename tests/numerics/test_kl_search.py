from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.numerics.kl_search import PrefixSums, kl_divergences, kl_thresholds

Counts = NDArray[np.float64]


def test_the_golden_histogram() -> None:
    curve = kl_divergences(np.array([1.0, 0, 2, 3, 5, 3, 1, 7]), 2)
    assert curve.kept.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert curve.divergence[-1] == pytest.approx(0.15032, abs=5e-6)


def test_outliers_go_to_the_edge_of_p_and_not_into_q() -> None:
    p, q = np.array([1, 2, 3, 4 + 9]), np.array([1.5, 1.5, 3.5, 3.5])
    p, q = p / p.sum(), q / q.sum()
    curve = kl_divergences(np.array([1.0, 2, 3, 4, 0, 9]), 2)
    assert curve.divergence[curve.kept == 4] == pytest.approx(float((p * np.log(p / q)).sum()))


def test_an_empty_edge_bin_that_holds_outliers_shares_its_level() -> None:
    p, q = np.array([1, 2, 3, 9]), np.array([1.5, 1.5, 1.5, 1.5])
    p, q = p / p.sum(), q / q.sum()
    curve = kl_divergences(np.array([1.0, 2, 3, 0, 0, 9]), 2)
    assert curve.divergence[curve.kept == 4] == pytest.approx(float((p * np.log(p / q)).sum()))


def test_an_edge_that_q_lacks_is_smoothed_with_counts_from_the_others() -> None:
    p, q = np.array([5, 3, 2]), np.array([4 - 5e-5, 4 - 5e-5, 1e-4])
    p, q = p / p.sum(), q / q.sum()
    curve = kl_divergences(np.array([5.0, 3, 0, 0, 0, 2]), 2)
    assert curve.divergence[curve.kept == 4] == pytest.approx(float((p * np.log(p / q)).sum()))


def test_bins_are_dealt_to_levels_as_evenly_as_possible() -> None:
    # 5 bins, 3 levels: floor(j * 3 / 5) = 0 0 1 1 2
    p, q = np.array([1, 3, 5, 1, 2]), np.array([2, 2, 3, 3, 2])
    p, q = p / p.sum(), q / q.sum()
    curve = kl_divergences(np.array([1.0, 3, 5, 1, 2]), 3)
    assert curve.divergence[-1] == pytest.approx(float((p * np.log(p / q)).sum()))


def test_candidates_that_keep_nothing_are_infinitely_bad() -> None:
    counts = np.array([0.0, 0, 0, 0, 3, 1])
    assert np.isinf(kl_divergences(counts, 2).divergence).tolist() == [True, True, True, False, False]
    assert kl_thresholds(counts[None], 2)[0] > 4


def random_histograms(seed: int) -> tuple[Counts, int]:
    """1 to 50 histograms that may be sparse, have a gap, or be empty altogether, and a number of levels."""
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(3, 90))
    shape = int(rng.integers(1, 51)), bins
    counts = rng.poisson(rng.choice([0.1, 1.0, 30.0]), shape) * (rng.random(shape) < rng.choice([0.2, 0.7, 1.0]))
    if seed % 3 == 0:
        counts[:, bins // 3 : 2 * bins // 3] = 0
    if seed % 4 == 0:
        counts[0] = 0
    if seed % 5 == 0:
        counts[-1] = 1000 * (np.arange(bins) == bins - 1)
    return counts.astype(np.float64), int(rng.integers(1, bins))


@pytest.mark.parametrize("seed", range(40))
def test_thresholds_equal_the_direct_evaluation(seed: int) -> None:
    counts, levels = random_histograms(seed)
    expected = [kl_divergences(row, levels).best() for row in counts]
    assert kl_thresholds(counts, levels).tolist() == expected


@pytest.mark.parametrize("seed", range(12))
def test_prefix_sums_give_the_direct_divergences(seed: int) -> None:
    counts, levels = random_histograms(seed)
    tables = PrefixSums.of(counts)
    curves = [kl_divergences(row, levels) for row in counts]
    for index, kept in enumerate(curves[0].kept):
        direct = [curve.divergence[index] for curve in curves]
        np.testing.assert_allclose(tables.divergence(int(kept), levels), direct, rtol=0, atol=1e-12)


def test_2048_bins_of_gaussian_data_over_more_blocks_than_one_chunk() -> None:
    values = np.abs(np.random.default_rng(4).standard_normal((150, 4096)))
    counts = np.stack([np.histogram(row, 2048, (0, row.max()))[0] for row in values]).astype(np.float64)
    kept = kl_thresholds(counts, 128)
    assert kept.dtype == np.int64
    assert kept.min() >= 128
    for row in (0, 127, 128, 149):
        assert kept[row] == kl_divergences(counts[row], 128).best()


def test_heavy_tails_are_clipped_and_light_ones_are_not() -> None:
    rng = np.random.default_rng(5)
    heavy, light = np.abs(rng.standard_t(3, 100_000)), rng.uniform(0, 1, 100_000)
    counts = np.stack([np.histogram(row, 2048, (0, row.max()))[0] for row in (heavy, light)]).astype(np.float64)
    kept = kl_thresholds(counts, 128)
    assert kept[0] < 1024
    assert kept[1] > 2000


def test_ties_keep_the_most_bins() -> None:
    assert kl_thresholds(np.array([[4.0, 4, 0, 0, 0, 0]]), 2)[0] == 6


def test_an_empty_histogram_keeps_all_bins() -> None:
    assert kl_thresholds(np.zeros((3, 9)), 4).tolist() == [9, 9, 9]
    assert kl_divergences(np.zeros(9), 4).best() == 9


def test_no_histograms_give_no_thresholds() -> None:
    assert kl_thresholds(np.zeros((0, 9)), 4).shape == (0,)


@pytest.mark.parametrize("levels", [8, 9, 0])
def test_bins_must_outnumber_levels(levels: int) -> None:
    with pytest.raises(SchemeError, match="bins must outnumber the levels"):
        kl_thresholds(np.ones((1, 8)), levels)
    with pytest.raises(SchemeError, match="bins must outnumber the levels"):
        kl_divergences(np.ones(8), levels)


@pytest.mark.parametrize("bad", [-1.0, 0.25, np.nan])
def test_counts_are_numbers_of_elements(bad: float) -> None:
    with pytest.raises(SchemeError, match="counts are numbers of elements"):
        kl_thresholds(np.array([[1.0, bad, 1.0]]), 2)

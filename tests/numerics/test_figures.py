"""Figures that theory gives: signal-to-noise ratios of ideal data, which the whole chain has to reproduce."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf
from scipy.stats import norm

from harness.numerics.calibrate import calibrate
from harness.numerics.quantize import fake_quantize
from harness.numerics.scheme import OperandScheme

LARGEST = {"int8": 127, "int7": 63, "int6": 31, "int5": 15, "int4": 7, "int3": 3, "int2": 1}

# The expectation over N(0,1) as an integral: midpoints of even steps, weighted by the density. Samples would not do:
# of a million the largest is near 4.9, and the tail beyond it holds 0.01 dB of int8's error.
POINTS = ((np.arange(1 << 17) + 0.5) / (1 << 13) - 8).astype(np.float32)
WEIGHTS = norm.pdf(POINTS.astype(np.float64)) / (1 << 13)


def _gaussian_sqnr(scheme: OperandScheme) -> float:
    error = fake_quantize(POINTS, scheme).astype(np.float64) - POINTS
    return -10 * math.log10(float(np.square(error) @ WEIGHTS))


def _noise(exact: NDArray[np.float64], approximate: NDArray[np.float64]) -> float:
    return float(np.square(approximate - exact).sum() / np.square(exact).sum())


def _sqnr(x: NDArray[np.float32], scheme: OperandScheme) -> float:
    return -10 * math.log10(_noise(x.astype(np.float64), fake_quantize(x, scheme).astype(np.float64)))


@pytest.mark.parametrize(("name", "sqnr", "amplitude"), [("int8", 40.54, 3.921), ("int4", 18.90, 2.474)])
def test_best_clipping_amplitude_of_a_gaussian(name: str, sqnr: float, amplitude: float) -> None:
    def at(clip: float) -> float:
        return _gaussian_sqnr(OperandScheme(name, calibration=f"fixed:{clip:.4f}", narrow_range=True))

    assert at(amplitude) == pytest.approx(sqnr, abs=0.01)
    clips = np.arange(amplitude - 0.1, amplitude + 0.1, 0.002)
    assert clips[np.argmax([at(clip) for clip in clips])] == pytest.approx(amplitude, abs=0.004)


@pytest.mark.parametrize(("name", "sqnr", "amplitude"), [("int8", 40.54, 3.921), ("int4", 18.90, 2.474)])
def test_mse_calibration_finds_that_amplitude(name: str, sqnr: float, amplitude: float) -> None:
    """On quantiles of the normal distribution, whose tail ends too early for int8: hence the wider tolerance."""
    count = 1_000_000
    x = norm.ppf((np.arange(count) + 0.5) / count).astype(np.float32)
    scheme = OperandScheme(name, calibration="mse", narrow_range=True)
    scale = calibrate(x, scheme, scheme.blocks.tiling(x.shape)).scale
    assert float(scale[0]) * LARGEST[name] == pytest.approx(amplitude, abs=0.01)
    assert _sqnr(x, scheme) == pytest.approx(sqnr, abs=0.02)


@pytest.mark.parametrize("name", LARGEST)
def test_uniform_data_by_absmax(name: str) -> None:
    """20·log10(2·qmax): int8 48.10 dB."""
    count = 200_001
    x = np.linspace(-1, 1, count).astype(np.float32)
    expected = 20 * math.log10(2 * LARGEST[name])
    assert _sqnr(x, OperandScheme(name)) == pytest.approx(expected, abs=0.005)
    assert expected == pytest.approx(48.10, abs=0.005) or name != "int8"


def test_uniform_data_with_all_codes() -> None:
    """An affine range spreads 2^N - 1 steps over the data: 20·log10(2^N - 1), int8 48.13 dB."""
    x = np.linspace(0, 1, 200_001).astype(np.float32) - np.float32(0.5)
    assert _sqnr(x, OperandScheme("int8", symmetric=False)) == pytest.approx(20 * math.log10(255), abs=0.04)


def test_fp8_e4m3_at_unit_scale() -> None:
    assert _gaussian_sqnr(OperandScheme("fp8_e4m3", calibration="fixed:448")) == pytest.approx(31.52, abs=0.01)


def _expected_square_of_the_largest(group: int) -> float:
    """E[max²] of ``group`` normal magnitudes: the integral of 2t·P(max > t)."""
    t = (np.arange(100_000) + 0.5) / 10_000
    return float(np.sum(2 * t * (1 - erf(t / math.sqrt(2)) ** group)) / 10_000)


@pytest.mark.parametrize(("group", "expected"), [(32, 5.710), (128, 8.153)])
@pytest.mark.parametrize("name", ["int8", "int6", "int4"])
def test_absmax_blocks_of_a_gaussian(name: str, group: int, expected: float) -> None:
    """10·log10(12·qmax²/E[max²]) + 10·log10(g/(g-1)): the largest of each block is exact."""
    assert _expected_square_of_the_largest(group) == pytest.approx(expected, abs=0.006)
    x = np.random.default_rng(17).standard_normal((1 << 21) // group * group).astype(np.float32).reshape(-1, group)
    theory = 10 * math.log10(12 * LARGEST[name] ** 2 / expected) + 10 * math.log10(group / (group - 1))
    assert _sqnr(x, OperandScheme(name, f"per_group:{group}")) == pytest.approx(theory, abs=0.03)


@pytest.mark.parametrize(
    ("weight", "activation"),
    [
        (OperandScheme("int4", "per_channel"), OperandScheme("int4", "per_token")),
        (OperandScheme("int4", "per_group:128", symmetric=False), OperandScheme("int8", "per_token")),
        (OperandScheme("int3", "per_channel"), OperandScheme("int3", "per_token")),
        (OperandScheme("fp8_e4m3", "per_channel"), OperandScheme("fp4_e2m1", "per_group:16", scale_format="e4m3")),
    ],
)
def test_noise_of_a_matrix_product(weight: OperandScheme, activation: OperandScheme) -> None:
    """n_x + n_w + n_x·n_w, as long as errors and values are uncorrelated, which absmax scales make them nearly."""
    rng = np.random.default_rng(23)
    x, w = (rng.standard_normal((384, 512)).astype(np.float32) for _ in range(2))
    rounded_x, rounded_w = fake_quantize(x, activation).astype(np.float64), fake_quantize(w, weight).astype(np.float64)
    n_x, n_w = _noise(x.astype(np.float64), rounded_x), _noise(w.astype(np.float64), rounded_w)
    measured = _noise(x.astype(np.float64) @ w.T.astype(np.float64), rounded_x @ rounded_w.T)
    assert measured == pytest.approx(n_x + n_w + n_x * n_w, rel=0.006)

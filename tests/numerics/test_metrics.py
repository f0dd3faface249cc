"""Error metrics against plain sums in exact arithmetic."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.numerics.granularity import Granularity, Tiling
from harness.numerics.metrics import METRICS, Comparison, decibel, evaluate
from harness.numerics.quantize import dequantize, quantize, saturated
from harness.numerics.scheme import OperandScheme

NAMES = {
    "sqnr_db",
    "mse",
    "max_abs_error",
    "mean_relative_error",
    "cosine",
    "saturated_fraction",
    "rounding_mse",
    "clipping_mse",
    "worst_block_sqnr_db",
}


def _normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _exact(array: NDArray[Any]) -> list[Fraction]:
    return [Fraction(float(x)) for x in array.ravel()]


def test_the_table_names_every_metric() -> None:
    assert set(METRICS) == NAMES
    assert all(row.name == name and row.unit and row.label for name, row in METRICS.items())
    assert {name for name, row in METRICS.items() if row.better == "higher"} == {
        "sqnr_db",
        "cosine",
        "worst_block_sqnr_db",
    }


def test_metrics_are_the_exact_sums() -> None:
    exact, approximate = _normal(7, 30), _normal(7, 30) + _normal(7, 30, seed=1) * np.float32(0.01)
    exact[2, 3] = 0
    found = evaluate(Comparison(exact, approximate))
    x, y = _exact(exact), _exact(approximate)
    errors = [b - a for a, b in zip(x, y, strict=True)]
    signal, noise = sum(a * a for a in x), sum(e * e for e in errors)
    relative = [abs(e / a) for a, e in zip(x, errors, strict=True) if a]
    expected = {
        "sqnr_db": 10 * math.log10(signal / noise),
        "mse": float(noise / len(x)),
        "max_abs_error": float(max(abs(e) for e in errors)),
        "mean_relative_error": float(sum(relative) / len(relative)),
        "cosine": float(sum(a * b for a, b in zip(x, y, strict=True))) / math.sqrt(signal * sum(b * b for b in y)),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name
    assert found["saturated_fraction"] is found["rounding_mse"] is found["clipping_mse"] is None


@pytest.mark.parametrize("calibration", ["minmax", "fixed:1.0", "fixed:0.1", "percentile:90"])
@pytest.mark.parametrize("name", ["int8", "int4", "uint4", "fp8_e4m3", "fp4_e2m1", "nf4", "binary"])
def test_rounding_and_clipping_make_up_the_error(name: str, calibration: str) -> None:
    x = _normal(8, 64)
    quantized = quantize(x, OperandScheme(name, "per_channel", calibration=calibration))
    outside = saturated(x, quantized)
    approximate = dequantize(quantized)
    found = evaluate(Comparison(x, approximate, outside, quantized.tiling))
    parts = found["rounding_mse"], found["clipping_mse"]
    assert parts[0] is not None
    assert parts[1] is not None
    assert found["mse"] == pytest.approx(parts[0] + parts[1], rel=1e-12)
    error = np.square(approximate.astype(np.float64) - x)
    assert parts[1] == pytest.approx(error[outside].sum() / x.size, rel=1e-12)
    assert found["saturated_fraction"] == outside.mean()
    if calibration == "fixed:0.1":
        assert parts[1] > parts[0]


def test_an_exact_result() -> None:
    x = np.arange(-127, 128, dtype=np.float32).reshape(15, 17)
    quantized = quantize(x, OperandScheme("int8"))
    found = evaluate(Comparison(x, dequantize(quantized), saturated(x, quantized), quantized.tiling))
    assert found == {
        "sqnr_db": math.inf,
        "mse": 0.0,
        "max_abs_error": 0.0,
        "mean_relative_error": 0.0,
        "cosine": pytest.approx(1.0, abs=1e-15),
        "saturated_fraction": 0.0,
        "rounding_mse": 0.0,
        "clipping_mse": 0.0,
        "worst_block_sqnr_db": math.inf,
    }


def test_zeros_kept_and_zeros_lost() -> None:
    zeros = np.zeros(4)
    kept = evaluate(Comparison(zeros, zeros))
    assert (kept["sqnr_db"], kept["mse"], kept["cosine"], kept["mean_relative_error"]) == (math.inf, 0.0, None, None)
    lost = evaluate(Comparison(zeros, np.ones(4)))
    assert (lost["sqnr_db"], lost["mse"], lost["worst_block_sqnr_db"]) == (-math.inf, 1.0, -math.inf)


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [(1.0, 1.0, 0.0), (100.0, 1.0, 20.0), (1e300, 1e-300, 6000.0), (0.0, 0.0, math.inf), (1.0, 0.0, math.inf)],
)
def test_decibel(signal: float, noise: float, expected: float) -> None:
    assert decibel(signal, noise) == pytest.approx(expected)


def test_sums_are_in_float64() -> None:
    """A large error beside four million small ones: an f32 sum, or f32 squares, would lose the small ones."""
    exact = np.zeros(1 << 22, np.float32)
    approximate = np.full(1 << 22, 1e-4, np.float32)
    exact[0], approximate[0] = 1.0, 1001.0
    small = Fraction(float(np.float32(1e-4))) ** 2 * (exact.size - 1)
    found = evaluate(Comparison(exact, approximate))
    assert found["mse"] == pytest.approx(float((10**6 + small) / exact.size), rel=1e-12)
    assert float(np.float32(10**6) + np.float32(float(small))) != pytest.approx(float(10**6 + small), rel=1e-12)


def test_squares_do_not_leave_the_range_of_f32() -> None:
    exact = np.array([3e38, 1e-38], np.float32)
    found = evaluate(Comparison(exact, np.array([2.9e38, 2e-38], np.float32)))
    assert found["mse"] == pytest.approx(0.5e74, rel=1e-5)
    tiny = evaluate(Comparison(exact[1:], np.array([2e-38], np.float32)))
    assert tiny["sqnr_db"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(bad: float) -> None:
    exact, approximate = _normal(3, 40), _normal(3, 40) + np.float32(0.01)
    kept = np.ones(exact.shape, dtype=bool)
    kept[0, 1] = kept[1, 5] = kept[2, 9] = False
    dirty, wrong = exact.copy(), approximate.copy()
    dirty[0, 1], wrong[1, 5], dirty[2, 9], wrong[2, 9] = bad, bad, bad, bad
    outside = np.zeros(exact.shape, dtype=bool)
    outside[0, 0] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(Comparison(dirty, wrong, outside))
    clean = evaluate(Comparison(exact[kept], approximate[kept], outside[kept]))
    assert Comparison(dirty, wrong).count == 117
    for name in NAMES - {"worst_block_sqnr_db"}:
        assert found[name] == pytest.approx(clean[name], rel=1e-12), name


def test_nothing_to_compare() -> None:
    for empty in (np.empty((0, 4)), np.full((2, 2), math.nan)):
        found = evaluate(Comparison(empty, empty, np.zeros(empty.shape, dtype=bool)))
        assert set(found.values()) == {None}


# The worst block ------------------------------------------------------------------------------------------------------


def _worst(exact: NDArray[Any], approximate: NDArray[Any], tiling: Tiling | None) -> float | None:
    return evaluate(Comparison(exact, approximate, tiling=tiling))["worst_block_sqnr_db"]


def test_the_worst_scale_block_counts() -> None:
    exact, approximate = np.ones((4, 7)), np.ones((4, 7))
    approximate[1, 1] = 1.1
    approximate[3, 6] = 1.5
    tiling = Granularity.parse("per_group:3").tiling((4, 7))
    assert _worst(exact, approximate, tiling) == pytest.approx(10 * math.log10(1 / 0.25))  # a tail of one element
    assert _worst(exact, approximate, Granularity.parse("per_channel").tiling((4, 7))) == pytest.approx(
        10 * math.log10(7 / 0.25)
    )


def test_without_scale_blocks_a_block_is_128_outputs_of_a_row() -> None:
    exact, approximate = np.ones((2, 300)), np.ones((2, 300))
    approximate[0, 100] = 2.0
    approximate[1, 299] = 2.0
    expected = pytest.approx(10 * math.log10(300 - 256))
    assert _worst(exact, approximate, None) == expected


def test_one_bad_block_among_many_shows() -> None:
    exact = _normal(64, 1024).astype(np.float64)
    approximate = exact * (1 + 1e-4)
    approximate[5, 7] = 40.0
    assert evaluate(Comparison(exact, approximate))["sqnr_db"] > 15  # type: ignore[operator]
    assert _worst(exact, approximate, None) < -5  # type: ignore[operator]


def test_blocks_without_error_or_without_signal() -> None:
    exact = np.zeros((3, 128))
    exact[0] = 1
    approximate = exact.copy()
    assert _worst(exact, approximate, None) == math.inf
    approximate[0, 0] = 1.1
    assert _worst(exact, approximate, None) == pytest.approx(10 * math.log10(128 / 0.01))
    approximate[2, 2] = 1e-9
    assert _worst(exact, approximate, None) == -math.inf


@pytest.mark.parametrize("shape", [(), (1,), (129,), (2, 3, 5), (2, 1, 3, 200)])
def test_any_number_of_axes(shape: tuple[int, ...]) -> None:
    found = evaluate(Comparison(np.full(shape, 2.0), np.full(shape, 1.0), np.ones(shape, dtype=bool)))
    assert found["sqnr_db"] == pytest.approx(10 * math.log10(4))
    assert found["worst_block_sqnr_db"] == pytest.approx(10 * math.log10(4))
    assert found["saturated_fraction"] == 1.0
    assert found["clipping_mse"] == found["mse"] == 1.0

"""Calibrators: what amplitude or range each finds, and that the error-minimising one is not beaten by any other."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from naive_blocks import block_ids
from numpy.typing import NDArray

from harness.errors import NonFiniteError
from harness.numerics.calibrate import QuantParams, calibrate, order_statistic
from harness.numerics.formats import FORMATS
from harness.numerics.quantize import dequantize, fake_quantize, quantize
from harness.numerics.scales import SCALE_FORMATS, Scales, symmetric_scales
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]


def _params(x: Float32, scheme: OperandScheme) -> QuantParams:
    return calibrate(x, scheme, scheme.blocks.tiling(x.shape))


def _normal(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _decibel(ratio: float) -> float:
    return 10 * math.log10(ratio)


# minmax ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:5", "per_block:2x4"])
def test_minmax_covers_each_block(granularity: str) -> None:
    x = _normal(6, 13)
    ids = block_ids(x.shape, granularity, 0)
    symmetric = OperandScheme("int8", granularity)
    tiling = symmetric.blocks.tiling(x.shape)
    amplitude = np.broadcast_to(tiling.expand(_params(x, symmetric).scale), x.shape)
    affine = _params(x, OperandScheme("uint8", granularity, symmetric=False))
    assert affine.zero_point is not None
    width = np.broadcast_to(tiling.expand(affine.scale), x.shape)
    start = np.broadcast_to(tiling.expand(affine.zero_point), x.shape)
    for block in range(ids.max() + 1):
        values = x[ids == block]
        low, high = min(values.min(), np.float32(0)), max(values.max(), np.float32(0))
        assert set(amplitude[ids == block]) == {np.float32(np.abs(values).max()) / np.float32(127)}
        assert set(width[ids == block]) == {(high - low) / np.float32(255)}
        assert set(start[ids == block]) == {np.rint(-low / ((high - low) / np.float32(255)))}


@pytest.mark.parametrize(("data", "zero_point"), [([1.0, 2.0, 4.0], -128), ([-1.0, -2.0, -4.0], 127)])
def test_an_asymmetric_range_includes_zero(data: list[float], zero_point: int) -> None:
    params = _params(np.array(data, np.float32), OperandScheme("int8", symmetric=False))
    assert params.scale.tolist() == [np.float32(4) / np.float32(255)]
    assert params.zero_point is not None
    assert params.zero_point.tolist() == [zero_point]
    assert params.zero_point.dtype == np.int32


@pytest.mark.parametrize("name", ["uint8", "uint4", "uint2"])
def test_unsigned_symmetric_covers_zero_to_the_largest(name: str) -> None:
    params = _params(np.array([-7.0, 3.0, 1.0], np.float32), OperandScheme(name))
    assert params.zero_point is None
    assert params.scale.tolist() == [np.float32(3) / np.float32(FORMATS[name].largest)]
    negative = _params(np.array([-7.0, -3.0], np.float32), OperandScheme(name))
    assert negative.scale.tolist() == [1.0]


@pytest.mark.parametrize("value", [1.0, -1.0, 0.3, 1e-30, 3e38])
def test_a_constant_block_is_kept_to_one_rounding(value: float) -> None:
    x = np.full(9, value, np.float32)
    for symmetric in (True, False):
        error = np.abs(dequantize(quantize(x, OperandScheme("int8", symmetric=symmetric))) - x)
        assert (error <= np.spacing(np.abs(x))).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("calibration", ["minmax", "ema_minmax", "percentile:99", "mse", "fixed:1"])
def test_calibration_refuses_what_is_not_finite(calibration: str, bad: float) -> None:
    with pytest.raises(NonFiniteError, match="the tensor must be finite"):
        _params(np.array([1.0, bad], np.float32), OperandScheme(calibration=calibration))


# percentile -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "percentile", "rank"),
    [
        (1000, "99.9", 999),  # in binary floating point 99.9/100·1000 is above 999
        (1000, "100", 1000),
        (1000, "99.95", 1000),
        (1000, "99", 990),
        (100, "99.9", 100),
        (1, "99", 1),
        (3, "51", 2),
        (7, "57.142857", 4),
        (300, "99.7", 300),
        (10, "0.1", 1),
        (10, "0", 1),
        (1000, "0.1", 1),
        (1000, "0.2", 2),
    ],
)
def test_ranks(count: int, percentile: str, rank: int) -> None:
    rows = np.random.default_rng(count).permuted(np.tile(np.arange(1, count + 1, dtype=np.float32), (3, 1)), axis=1)
    assert order_statistic(rows, Fraction(percentile)).tolist() == [rank] * 3


@pytest.mark.parametrize("percentile", ["75", "99", "99.9", "100"])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:33"])
def test_percentile_of_magnitudes(granularity: str, percentile: str) -> None:
    x = _normal(4, 100)
    scheme = OperandScheme("int8", granularity, calibration=f"percentile:{percentile}")
    ids = block_ids(x.shape, granularity, 0)
    scale = np.broadcast_to(scheme.blocks.tiling(x.shape).expand(_params(x, scheme).scale), x.shape)
    for block in range(ids.max() + 1):
        ordered = sorted(np.abs(x[ids == block]).tolist())
        amplitude = ordered[math.ceil(Fraction(percentile) * len(ordered) / 100) - 1]
        assert set(scale[ids == block]) == {np.float32(amplitude) / np.float32(127)}


@pytest.mark.parametrize("percentile", ["75", "99", "99.9", "100"])
def test_percentile_of_both_tails(percentile: str) -> None:
    x = _normal(777) + np.float32(0.5)
    params = _params(x, OperandScheme("uint8", symmetric=False, calibration=f"percentile:{percentile}"))
    ordered = np.sort(x)
    exact = Fraction(percentile)
    high = ordered[math.ceil(exact * 777 / 100) - 1]
    low = ordered[max(1, math.ceil((100 - exact) * 777 / 100)) - 1]
    scale = (high - low) / np.float32(255)
    assert params.scale.tolist() == [scale]
    assert params.zero_point is not None
    assert params.zero_point.tolist() == [np.rint(-low / scale)]


def test_percentile_hundred_is_minmax() -> None:
    x = _normal(5, 40)
    for symmetric in (True, False):
        plain = _params(x, OperandScheme("int8", "per_channel", symmetric))
        ranked = _params(x, OperandScheme("int8", "per_channel", symmetric, "percentile:100"))
        assert np.array_equal(plain.scale, ranked.scale)
        assert np.array_equal(plain.zero_point, ranked.zero_point)  # type: ignore[arg-type]


# fixed ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_fixed_amplitude_over_the_largest_code(name: str) -> None:
    params = _params(_normal(4, 10), OperandScheme(name, "per_channel", calibration="fixed:2.7"))
    assert params.scale.tolist() == [[np.float32(2.7) / np.float32(FORMATS[name].largest)]] * 4
    assert params.zero_point is None


@pytest.mark.parametrize(
    ("name", "narrow", "levels"), [("int8", False, 255), ("int8", True, 254), ("uint4", False, 15)]
)
def test_a_fixed_asymmetric_range_runs_both_ways(name: str, narrow: bool, levels: int) -> None:
    scheme = OperandScheme(name, symmetric=False, calibration="fixed:2.5", narrow_range=narrow)
    params = _params(_normal(10), scheme)
    scale = np.float32(5.0) / np.float32(levels)
    assert params.scale.tolist() == [scale]
    assert params.zero_point is not None
    assert params.zero_point.tolist() == [np.rint(FORMATS[name].limits(narrow)[0] + np.float32(2.5) / scale)]


# mse ------------------------------------------------------------------------------------------------------------------

SAMPLES = {
    "normal": _normal(60, seed=1),
    "outlier": np.append(_normal(59, seed=2), np.float32(25)),
    "one sided": np.abs(_normal(60, seed=3)),
    "sparse": np.where(np.arange(60) % 7 == 0, _normal(60, seed=4), np.float32(0)),
    "small odd block": _normal(3, seed=5),
}
TOLERANCE_DB = 0.005


def _least_error_of_amplitudes(x: Float32, scheme: OperandScheme) -> float:
    """Least mean squared error over 4000 amplitudes in (0, amax], each tried as a channel of its own."""
    amplitudes = (np.abs(x).max() * np.linspace(1 / 4000, 1, 4000)).astype(np.float32)[:, None]
    tried = OperandScheme(scheme.format, "per_channel", narrow_range=scheme.narrow_range)
    params = QuantParams(symmetric_scales(amplitudes, tried.element, SCALE_FORMATS[scheme.scale_format]), None)
    copies = np.broadcast_to(x, (4000, x.size))
    values = dequantize(quantize(copies, tried, params=params)).astype(np.float64)
    return float(np.square(values - copies).mean(axis=1).min())


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", FORMATS)
def test_mse_is_not_beaten_by_any_amplitude(name: str, sample: str) -> None:
    x = SAMPLES[sample]
    scheme = OperandScheme(name, calibration="mse")
    found = np.square(dequantize(quantize(x, scheme)).astype(np.float64) - x).mean()
    assert _decibel(found / _least_error_of_amplitudes(x, scheme)) <= TOLERANCE_DB


@pytest.mark.parametrize("scale_format", ["f16", "bf16", "e8m0_rceil"])
@pytest.mark.parametrize("name", ["int4", "fp4_e2m1", "ternary", "binary", "nf4"])
def test_mse_is_not_beaten_with_other_scale_formats(name: str, scale_format: str) -> None:
    x = SAMPLES["normal"]
    scheme = OperandScheme(name, calibration="mse", scale_format=scale_format)
    quantized = quantize(x, scheme)
    row = SCALE_FORMATS[scale_format]
    assert quantized.params.scale.tolist() == row.nearest(quantized.params.scale.astype(np.float64)).tolist()
    found = np.square(dequantize(quantized).astype(np.float64) - x).mean()
    assert _decibel(found / _least_error_of_amplitudes(x, scheme)) <= TOLERANCE_DB


def test_mse_of_narrow_range() -> None:
    x = SAMPLES["normal"]
    for narrow in (False, True):
        scheme = OperandScheme("int2", calibration="mse", narrow_range=narrow)
        found = np.square(dequantize(quantize(x, scheme)).astype(np.float64) - x).mean()
        assert _decibel(found / _least_error_of_amplitudes(x, scheme)) <= TOLERANCE_DB


def test_mse_works_block_by_block() -> None:
    x = np.stack([SAMPLES["normal"], SAMPLES["outlier"], SAMPLES["one sided"]])
    whole = _params(x, OperandScheme("int4", "per_channel", calibration="mse")).scale
    alone = [_params(row, OperandScheme("int4", calibration="mse")).scale for row in x]
    assert whole.ravel().tolist() == [scale[0] for scale in alone]


@pytest.mark.parametrize("name", ["binary", "ternary"])
def test_mse_of_two_and_three_levels_in_closed_form(name: str) -> None:
    """Binary: scale mean|x|. Ternary: the mean of the k largest magnitudes, for the best k (arXiv 1605.04711)."""
    x = SAMPLES["normal"].astype(np.float64)
    ordered = np.sort(np.abs(x))[::-1]
    counts = np.arange(1, x.size + 1) if name == "ternary" else np.array([x.size])
    energy = np.cumsum(ordered)[counts - 1] ** 2 / counts
    best = (np.square(x).sum() - energy.max()) / x.size
    found = np.square(dequantize(quantize(SAMPLES["normal"], OperandScheme(name, calibration="mse"))) - x).mean()
    assert abs(_decibel(found / best)) <= TOLERANCE_DB


def _least_error_of_ranges(x: Float32, name: str) -> float:
    """Least mean squared error over 1500 scales and every zero point."""
    low_code, high_code = FORMATS[name].limits()
    width = max(float(x.max()), 0.0) - min(float(x.min()), 0.0)
    scales = (width / (high_code - low_code) * np.linspace(1 / 1500, 1.2, 1500)).astype(np.float32)[:, None]
    codes = np.rint(x / scales)
    best = math.inf
    for zero_point in range(low_code, high_code + 1):
        values = (np.clip(codes + zero_point, low_code, high_code) - zero_point) * scales
        best = min(best, float(np.square(values.astype(np.float64) - x).mean(axis=1).min()))
    return best


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", ["int2", "uint3", "int4", "uint4"])
def test_mse_is_not_beaten_by_any_range(name: str, sample: str) -> None:
    x = SAMPLES[sample]
    quantized = quantize(x, OperandScheme(name, symmetric=False, calibration="mse"))
    found = np.square(dequantize(quantized).astype(np.float64) - x).mean()
    assert _decibel(found / _least_error_of_ranges(x, name)) <= TOLERANCE_DB


@pytest.mark.parametrize("symmetric", [True, False])
def test_two_level_scales_stay_products_after_mse(symmetric: bool) -> None:
    x = _normal(8, 48)
    name = "fp4_e2m1" if symmetric else "int4"
    scales = _params(x, OperandScheme(name, "per_group:16", symmetric, "mse", "e4m3")).scales
    assert scales.block_scale is not None
    assert scales.global_scale is not None
    assert np.array_equal(scales.scale, scales.block_scale * np.float32(scales.global_scale))
    row = FORMATS["fp8_e4m3"]
    assert np.array_equal(scales.block_scale, row.decode(row.encode(scales.block_scale)))


# kl -------------------------------------------------------------------------------------------------------------------


def test_kl_clips_an_outlier_and_stays_inside_the_range() -> None:
    x = np.append(_normal(20000), np.float32(40))
    symmetric = _params(x, OperandScheme("int8", calibration="kl"))
    amplitude = float(symmetric.scale[0]) * 127
    assert 2 < amplitude < 12
    # The amplitude lies on an edge of the 2048 bins.
    assert abs(amplitude / 40 * 2048 - round(amplitude / 40 * 2048)) < 1e-3
    affine = _params(x, OperandScheme("uint8", symmetric=False, calibration="kl"))
    assert affine.zero_point is not None
    low = -float(affine.scale[0]) * int(affine.zero_point[0])
    high = low + float(affine.scale[0]) * 255
    assert low >= float(x.min()) * 1.01
    assert high < 12


@pytest.mark.parametrize(("shift", "peer"), [("one sided", "uint4"), ("two sided", "int4")])
def test_kl_spreads_as_many_levels_as_the_range_uses(shift: str, peer: str) -> None:
    """Asymmetric: all 16 codes over one-sided data, as unsigned symmetric; about half over two-sided data, as signed."""
    x = _normal(20000) ** 3
    x = np.abs(x) if shift == "one sided" else x
    symmetric = _params(x, OperandScheme(peer, calibration="kl")).scale[0] * np.float32(FORMATS[peer].largest)
    affine = _params(x, OperandScheme("uint4", symmetric=False, calibration="kl")).scale[0] * np.float32(15)
    assert affine == pytest.approx(symmetric * (1 if shift == "one sided" else 2), rel=1e-5)
    other = "int4" if peer == "uint4" else "uint4"
    assert symmetric != _params(np.abs(x), OperandScheme(other, calibration="kl")).scale[0] * FORMATS[other].largest


def test_kl_of_zeros_and_of_blocks() -> None:
    x = np.stack([_normal(4096), np.zeros(4096, np.float32), _normal(4096, seed=1) * 3])
    scale = _params(x, OperandScheme("int4", "per_channel", calibration="kl")).scale.ravel()
    assert scale[1] == 1.0
    alone = [_params(row, OperandScheme("int4", calibration="kl")).scale[0] for row in x]
    assert scale.tolist() == alone


# What extremes do -----------------------------------------------------------------------------------------------------

EXTREMES = {
    "zeros": np.zeros(2048, np.float32),
    "one element": np.array([-3.0], np.float32),
    "huge": np.array([3e38, -3e38, 1.0, 0.0], np.float32),
    "largest": np.array([3.4028235e38, -3.4028235e38], np.float32),
    "denormal": np.array([1e-40, -1e-41, 0.0], np.float32),
    "smallest": np.array([2.0**-149], np.float32),
    "wide": np.array([3e38, 1e-40, -1e-20, 1.0], np.float32),
}


def _asymmetric(row: OperandScheme) -> OperandScheme:
    return dataclasses.replace(row, symmetric=False)


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("calibration", ["minmax", "ema_minmax", "percentile:99.9", "mse", "fixed:1"])
@pytest.mark.parametrize("scale_format", SCALE_FORMATS)
def test_extremes_give_finite_scales_and_no_nan(scale_format: str, calibration: str, extreme: str) -> None:
    x = EXTREMES[extreme]
    rows = [OperandScheme(name, calibration=calibration, scale_format=scale_format) for name in FORMATS]
    rows += [_asymmetric(row) for row in rows if row.element.is_integer]
    for scheme in rows:
        quantized = quantize(x, scheme)
        assert np.isfinite(quantized.params.scale).all(), scheme.label
        assert (quantized.params.scale > 0).all(), scheme.label
        with np.errstate(over="ignore"):
            assert not np.isnan(dequantize(quantized)).any(), scheme.label


def test_a_range_wider_than_f32_keeps_its_scale() -> None:
    """max - min overflows f32; their difference over 255 does not."""
    x = np.array([3e38, -3e38], np.float32)
    quantized = quantize(x, OperandScheme("int8", symmetric=False))
    assert quantized.params.scale[0] == pytest.approx(6e38 / 255, rel=1e-6)
    np.testing.assert_allclose(dequantize(quantized), x, rtol=0.01)


def test_calibration_leaves_the_tensor_alone() -> None:
    x = _normal(4, 64)
    before = x.copy()
    for calibration in ("minmax", "percentile:99", "mse", "fixed:1"):
        for name in ("int8", "uint8", "fp4_e2m1"):
            _params(x, OperandScheme(name, "per_channel", calibration=calibration))
    assert np.array_equal(x, before)


def test_scales_are_a_grid() -> None:
    params = _params(_normal(3, 4, 10), OperandScheme("int8", "per_group:4", symmetric=False))
    assert params.scale.shape == (3, 4, 3)
    assert params.zero_point is not None
    assert params.zero_point.shape == (3, 4, 3)
    assert isinstance(params.scales, Scales)


@pytest.mark.parametrize("name", ["int3", "int4", "int8"])
@pytest.mark.parametrize("granularity", ["per_channel", "per_group:32"])
def test_a_free_zero_point_is_never_worse(name: str, granularity: str) -> None:
    """Zero point 0 is one of those tried, also where a few outliers make a coarser scale than minmax the best."""
    x = np.random.default_rng(0).standard_t(1.5, (64, 96)).astype(np.float32)
    errors = [
        np.square(fake_quantize(x, OperandScheme(name, granularity, symmetric=symmetric, calibration="mse")) - x)
        for symmetric in (True, False)
    ]
    symmetric, affine = (float(error.sum(dtype=np.float64)) for error in errors)
    assert affine <= symmetric * 1.0012  # 0.005 dB

"""The scale of least squared error against a dense scan of scales, written without the search's own parts."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from harness.errors import SchemeError
from harness.numerics import mse_search
from harness.numerics.mse_search import Nearest, minimise_mse, minimise_mse_affine

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]
MARGIN_DB = 0.005
# Errors below this part of the sum of squares are rounding of the scan itself.
FLOOR = 1e-22


def float_magnitudes(exponent_bits: int, mantissa_bits: int, bias: int, largest: float) -> Floats:
    fractions = np.arange(2**mantissa_bits) / 2**mantissa_bits
    exponents = np.arange(1, 2**exponent_bits) - bias
    normal = np.ldexp(1 + fractions[None, :], exponents[:, None]).ravel()
    values = np.concatenate([np.ldexp(fractions, 1 - bias), normal])
    kept: Floats = values[values <= largest]
    return kept


# Dettmers et al., QLoRA, arXiv 2305.14314, appendix E.
NF4_NEGATIVE = [0, 0.09105003625154495, 0.18477343022823334, 0.28444138169288635, 0.39491748809814453]
NF4_NEGATIVE += [0.5250730514526367, 0.6961928009986877, 1.0]
NF4_POSITIVE = [0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224]
NF4_POSITIVE += [0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]

FORMATS: dict[str, tuple[Floats, Floats]] = {
    **{f"int{bits}": (np.arange(2.0 ** (bits - 1)), np.arange(2.0 ** (bits - 1) + 1)) for bits in (2, 3, 4, 8)},
    **{f"uint{bits}": (np.arange(2.0**bits), np.zeros(1)) for bits in (2, 8)},
    "int8_narrow": (np.arange(128.0), np.arange(128.0)),
    "int4_narrow": (np.arange(8.0), np.arange(8.0)),
    "ternary": (np.arange(2.0), np.arange(2.0)),
    "binary": (np.ones(1), np.ones(1)),
    "fp8_e4m3": (float_magnitudes(4, 3, 7, 448.0),) * 2,
    "fp8_e5m2": (float_magnitudes(5, 2, 15, 57344.0),) * 2,
    "fp6_e2m3": (float_magnitudes(2, 3, 1, 7.5),) * 2,
    "fp4_e2m1": (float_magnitudes(2, 1, 1, 6.0),) * 2,
    "no_zero_below": (np.arange(3.0), np.array([1.0, 2.5])),
    "nf4": (np.array(NF4_POSITIVE), np.array(NF4_NEGATIVE)),
}


def to_f32(scale: Floats) -> Floats:
    return scale.astype(np.float32).astype(np.float64)


def to_bf16(scale: Floats) -> Floats:
    return np.maximum(scale, 2.0**-126).astype(ml_dtypes.bfloat16).astype(np.float64)


def to_power_of_two(scale: Floats) -> Floats:
    mantissa, exponent = np.frexp(scale)
    nearest: Floats = np.ldexp(1.0, exponent - (mantissa < 0.75))
    return nearest


def to_e4m3_under(whole: float) -> Nearest:
    return lambda scale: np.clip(scale / whole, 2.0**-9, 448).astype(ml_dtypes.float8_e4m3fn).astype(float) * whole


SCALE_FORMATS: dict[str, Callable[[float], Nearest]] = {
    "f32": lambda _: to_f32,
    "bf16": lambda _: to_bf16,
    "power_of_two": lambda _: to_power_of_two,
    "e4m3": lambda scale: to_e4m3_under(scale / 300),
}


def one_outlier(rng: np.random.Generator, size: int) -> Floats:
    values = rng.normal(0, 0.01, size)
    values[0] = 17.3
    return values


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "student_t": lambda rng, size: rng.standard_t(3, size),
    "lognormal": lambda rng, size: rng.lognormal(0, 1, size),
    "relu": lambda rng, size: np.maximum(rng.standard_normal(size), 0),
    "all_equal": lambda rng, size: np.full(size, -0.7371),
    "two_values": lambda rng, size: rng.choice([1.0, -0.37], size),
    "powers_of_two": lambda rng, size: np.ldexp(rng.choice([-1.0, 1.0], size), rng.integers(-6, 4, size)),
    "one_outlier": one_outlier,
    "denormal": lambda rng, size: rng.standard_normal(size) * 1e-40,
    "huge": lambda rng, size: rng.standard_normal(size) * 1e37,
}


def sample(distribution: str, size: int) -> Float32:
    rng = np.random.default_rng(zlib.crc32(f"{distribution}{size}".encode()))
    return DISTRIBUTIONS[distribution](rng, size).astype(np.float32)


def side_error(magnitudes: Floats, side: Floats, scales: Floats) -> Floats:
    """Squared error at each scale of elements of one sign, by comparing the two neighbouring magnitudes."""
    code = magnitudes / scales[:, None]
    above = np.minimum(np.searchsorted(side, code), len(side) - 1)
    below = np.maximum(above - 1, 0)
    distance = np.minimum(np.abs(side[above] - code), np.abs(side[below] - code))
    return np.asarray(((distance * scales[:, None]) ** 2).sum(axis=1))


def errors(x: Float32, positive: Floats, negative: Floats, scales: Floats) -> Floats:
    values = x.astype(np.float64)
    return side_error(values[values >= 0], positive, scales) + side_error(-values[values < 0], negative, scales)


def affine_errors(x: Float32, qmin: int, qmax: int, zero_point: int, scales: Floats) -> Floats:
    values = x.astype(np.float64)
    codes = np.clip(np.rint(values / scales[:, None]) + zero_point, qmin, qmax)
    return np.asarray(((values - (codes - zero_point) * scales[:, None]) ** 2).sum(axis=1))


def scan(scale_max: float, points: int, nearest: Nearest) -> Floats:
    """Scales of the format up to scale_max: dense near it, and down to a hundredth."""
    wanted = scale_max * np.concatenate([np.linspace(0.1, 1, points), np.geomspace(0.01, 0.1, points // 4)])
    stored = np.minimum(nearest(wanted), scale_max)
    return np.unique(stored[stored > 0])


def loss_db(found: float, least: float, x: Float32) -> float:
    floor = FLOOR * float((x.astype(np.float64) ** 2).sum())
    return float(10 * np.log10((found + floor) / (least + floor)))


def assert_least(x: Float32, name: str, scale_format: str, points: int) -> None:
    positive, negative = FORMATS[name]
    amax = float(np.abs(x).max()) if negative[-1] else max(float(x.max()), float(np.abs(x).max()) / 100)
    nearest = SCALE_FORMATS[scale_format](amax / positive[-1])
    scale_max = nearest(np.array([amax / positive[-1]]))
    scale = minimise_mse(x[None], positive, negative, scale_max, nearest)
    assert 0 < scale[0] <= scale_max[0]
    assert nearest(scale)[0] == scale[0]
    least = errors(x, positive, negative, scan(float(scale_max[0]), points, nearest)).min()
    assert loss_db(errors(x, positive, negative, scale)[0], least, x) <= MARGIN_DB


@pytest.mark.parametrize("scale_format", SCALE_FORMATS)
@pytest.mark.parametrize("name", FORMATS)
def test_no_scale_of_a_dense_scan_is_better(name: str, scale_format: str) -> None:
    for distribution in DISTRIBUTIONS:
        for size in (1, 2, 7, 32, 128):
            assert_least(sample(distribution, size), name, scale_format, points=400)


@pytest.mark.parametrize("distribution", ["normal", "student_t", "one_outlier", "two_values"])
@pytest.mark.parametrize("name", ["int8", "int4", "int2", "uint8", "ternary", "fp8_e4m3", "nf4"])
def test_medium_blocks(name: str, distribution: str) -> None:
    assert_least(sample(distribution, 1000), name, "f32", points=600)


@pytest.mark.parametrize("size", [5000, 20000])
@pytest.mark.parametrize(
    ("name", "distribution", "scale_format"),
    [
        ("int8", "normal", "f32"),
        ("int8", "student_t", "bf16"),
        ("int4", "two_values", "f32"),
        ("fp8_e4m3", "normal", "f32"),
        ("nf4", "lognormal", "power_of_two"),
        ("binary", "student_t", "e4m3"),
    ],
)
def test_large_blocks(
    name: str, distribution: str, scale_format: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mse_search, "SWEPT_STEPS", 1000)  # by the grid, whatever the format
    assert_least(sample(distribution, size), name, scale_format, points=250)


@pytest.mark.parametrize("distribution", ["normal", "student_t", "uniform", "powers_of_two", "relu"])
@pytest.mark.parametrize("name", ["int8", "int4", "uint8", "binary", "fp8_e5m2", "nf4"])
def test_the_grid_of_large_blocks_agrees_with_the_sweep(
    name: str, distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    positive, negative = FORMATS[name]
    x = sample(distribution, 6000)
    scale_max = to_f32(np.array([np.abs(x).max() / positive[-1]]))
    swept = minimise_mse(x[None], positive, negative, scale_max, to_f32)
    monkeypatch.setattr(mse_search, "SWEPT_STEPS", 1000)
    searched = minimise_mse(x[None], positive, negative, scale_max, to_f32)
    found, least = errors(x, positive, negative, np.concatenate([searched, swept]))
    assert abs(loss_db(found, least, x)) <= MARGIN_DB


@pytest.mark.parametrize("size", [1, 5, 64, 20000])
def test_binary_scale_is_the_mean_magnitude(size: int) -> None:
    x = sample("normal", size)
    scale = minimise_mse(x[None], *FORMATS["binary"], np.array([float(np.abs(x).max())]), lambda s: s)
    assert scale[0] == pytest.approx(np.abs(x.astype(np.float64)).mean(), rel=1e-12)


@pytest.mark.parametrize("size", [1, 5, 64, 1000])
def test_ternary_scale_is_the_mean_of_the_best_number_of_largest_elements(size: int) -> None:
    x = sample("normal", size)
    sums = np.cumsum(np.sort(np.abs(x.astype(np.float64)))[::-1])
    count = 1 + int(np.argmax(sums**2 / np.arange(1, size + 1)))
    scale = minimise_mse(x[None], *FORMATS["ternary"], np.array([float(np.abs(x).max())]), lambda s: s)
    assert scale[0] == pytest.approx(sums[count - 1] / count, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "sqnr_db", "amplitude"), [("int8_narrow", 40.54, 3.921), ("int4_narrow", 18.90, 2.474)]
)
def test_the_known_optimum_of_gaussian_data(name: str, sqnr_db: float, amplitude: float) -> None:
    # Evenly spaced quantiles: at int8 a random sample of this size strays by 0.1 dB, for want of elements to clip.
    x = ndtri((np.arange(1 << 20) + 0.5) / (1 << 20)).astype(np.float32)
    positive, negative = FORMATS[name]
    scale = minimise_mse(x[None], positive, negative, to_f32(np.array([np.abs(x).max() / positive[-1]])), to_f32)
    power = float((x.astype(np.float64) ** 2).sum())
    assert 10 * np.log10(power / errors(x, positive, negative, scale)[0]) == pytest.approx(sqnr_db, abs=0.02)
    assert scale[0] * positive[-1] == pytest.approx(amplitude, rel=0.002)


@pytest.mark.parametrize("size", [1, 9, 20000])
@pytest.mark.parametrize("name", FORMATS)
def test_zeros_keep_the_largest_scale(name: str, size: int) -> None:
    blocks = np.zeros((3, size), dtype=np.float32)
    scale_max = np.array([1.0, 0.25, 2.0**-126])
    assert np.array_equal(minimise_mse(blocks, *FORMATS[name], scale_max, to_f32), scale_max)


def test_values_that_can_only_be_coded_zero_keep_the_largest_scale() -> None:
    assert minimise_mse(np.array([[-3, -2, 0]], dtype=np.float32), *FORMATS["uint8"], np.array([0.5]), to_f32)[0] == 0.5


def test_a_largest_scale_far_above_the_elements_is_no_hindrance() -> None:
    x = sample("normal", 100) * np.float32(1e-30)
    near, far = (minimise_mse(x[None], *FORMATS["int4"], np.array([top]), to_f32) for top in (1e-30, 1.0))
    assert near == far


def test_a_scale_format_whose_least_value_is_too_large_yields_it() -> None:
    x = sample("denormal", 50)
    least = 2.0**-126
    scale = minimise_mse(x[None], *FORMATS["int8"], np.array([least]), lambda s: np.maximum(to_f32(s), least))
    assert scale[0] == least


def uneven_blocks() -> Float32:
    blocks = np.random.default_rng(2).standard_t(2, (9000, 32)).astype(np.float32)
    blocks[::7] *= np.float32(1e30)
    blocks[::5] *= np.float32(1e-30)
    return blocks


def test_blocks_do_not_depend_on_their_neighbours() -> None:
    blocks = uneven_blocks()
    scale_max = to_f32(np.abs(blocks).max(axis=1) / 127.0)
    together = minimise_mse(blocks, *FORMATS["int8"], scale_max, to_f32)
    for index in range(0, 9000, 257):
        one = slice(index, index + 1)
        assert minimise_mse(blocks[one], *FORMATS["int8"], scale_max[one], to_f32) == together[one]


def test_affine_blocks_do_not_depend_on_their_neighbours() -> None:
    blocks = uneven_blocks()
    scale_max = minmax_scale(blocks, 15, to_f32)
    together = minimise_mse_affine(blocks, 0, 15, scale_max, to_f32)
    for index in range(0, 9000, 257):
        one = slice(index, index + 1)
        alone = minimise_mse_affine(blocks[one], 0, 15, scale_max[one], to_f32)
        assert alone.scale == together.scale[one]
        assert alone.zero_point == together.zero_point[one]


def test_no_blocks_give_no_scales() -> None:
    assert minimise_mse(np.zeros((0, 4), dtype=np.float32), *FORMATS["int8"], np.zeros(0), to_f32).shape == (0,)


@pytest.mark.parametrize("scale_max", [[1.0], [0.0, 1.0], [np.nan, 1.0], [-1.0, 1.0], [np.inf, 1.0]])
def test_a_scale_max_that_does_not_fit_is_refused(scale_max: list[float]) -> None:
    blocks = np.ones((2, 4), dtype=np.float32)
    with pytest.raises(SchemeError, match="scale_max must be one positive finite scale a block"):
        minimise_mse(blocks, *FORMATS["int8"], np.array(scale_max), to_f32)
    with pytest.raises(SchemeError, match="scale_max must be one positive finite scale a block"):
        minimise_mse_affine(blocks, 0, 15, np.array(scale_max), to_f32)


def minmax_scale(x: Float32, steps: int, nearest: Nearest) -> Floats:
    width = np.maximum(x.max(axis=1), 0).astype(np.float64) - np.minimum(x.min(axis=1), 0)
    return nearest(width / steps)


RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int4": (-8, 7), "int4_narrow": (-7, 7), "uint2": (0, 3)}


@pytest.mark.parametrize("scale_format", SCALE_FORMATS)
@pytest.mark.parametrize("name", RANGES)
def test_no_scale_and_zero_point_of_a_dense_scan_is_better(name: str, scale_format: str) -> None:
    qmin, qmax = RANGES[name]
    for distribution in DISTRIBUTIONS:
        for size in (1, 2, 7, 40):
            x = sample(distribution, size)
            nearest = SCALE_FORMATS[scale_format](float(np.abs(x).max()) / (qmax - qmin))
            scale_max = minmax_scale(x[None], qmax - qmin, nearest)
            fit = minimise_mse_affine(x[None], qmin, qmax, scale_max, nearest)
            limit = max(nearest(scale_max * (1 + 1 / (qmax - qmin)))[0], scale_max[0])
            assert 0 < fit.scale[0] <= limit
            assert nearest(fit.scale)[0] == fit.scale[0]
            assert fit.zero_point.dtype == np.int32
            assert qmin <= fit.zero_point[0] <= qmax
            scales = scan(limit, 100, nearest)
            every = range(qmin, qmax + 1, 1 if qmax - qmin < 20 else 5)
            near = range(max(qmin, fit.zero_point[0] - 3), min(qmax, fit.zero_point[0] + 3) + 1)
            least = min(affine_errors(x, qmin, qmax, z, scales).min() for z in {*every, *near})
            found = affine_errors(x, qmin, qmax, int(fit.zero_point[0]), fit.scale)[0]
            assert loss_db(found, least, x) <= MARGIN_DB, (distribution, size)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("distribution", ["normal", "student_t", "lognormal", "one_outlier"])
@pytest.mark.parametrize("name", ["int4", "uint2"])
def test_affine_blocks_that_are_clipped_hard(name: str, distribution: str, sign: int) -> None:
    qmin, qmax = RANGES[name]
    x = sign * (sample(distribution, 1000) - np.float32(0.5))
    scale_max = minmax_scale(x[None], qmax - qmin, to_f32)
    fit = minimise_mse_affine(x[None], qmin, qmax, scale_max, to_f32)
    scales = scan(float(scale_max[0]), 150, to_f32)
    least = min(affine_errors(x, qmin, qmax, z, scales).min() for z in range(qmin, qmax + 1))
    assert loss_db(affine_errors(x, qmin, qmax, int(fit.zero_point[0]), fit.scale)[0], least, x) <= MARGIN_DB


@pytest.mark.parametrize("shift", [0.0, 2.0, -7.0])
@pytest.mark.parametrize("name", RANGES)
def test_the_affine_grid_of_large_blocks_agrees_with_the_sweep(
    name: str, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    qmin, qmax = RANGES[name]
    x = np.stack([sample(distribution, 2000) for distribution in ("normal", "student_t", "uniform")])
    x += np.float32(shift)
    scale_max = minmax_scale(x, qmax - qmin, to_f32)
    swept = minimise_mse_affine(x, qmin, qmax, scale_max, to_f32)
    monkeypatch.setattr(mse_search, "SWEPT_ELEMENTS_AFFINE", 1000)
    searched = minimise_mse_affine(x, qmin, qmax, scale_max, to_f32)
    for row in range(len(x)):
        found, least = (
            affine_errors(x[row], qmin, qmax, int(fit.zero_point[row]), fit.scale[row : row + 1])[0]
            for fit in (searched, swept)
        )
        assert abs(loss_db(found, least, x[row])) <= MARGIN_DB


@pytest.mark.parametrize("size", [40, 3000])
def test_the_zero_point_of_one_sided_data_is_at_the_end(size: int) -> None:
    x = np.abs(sample("normal", size))[None]
    scale_max = minmax_scale(x, 15, to_f32)
    assert minimise_mse_affine(x, -8, 7, scale_max, to_f32).zero_point[0] == -8
    assert minimise_mse_affine(-x, -8, 7, scale_max, to_f32).zero_point[0] == 7


@pytest.mark.parametrize("size", [1, 9, 3000])
def test_affine_zeros_keep_the_minmax_scale_and_zero_point(size: int) -> None:
    fit = minimise_mse_affine(np.zeros((2, size), dtype=np.float32), -8, 7, np.array([1.0, 0.5]), to_f32)
    assert fit.scale.tolist() == [1.0, 0.5]
    assert fit.zero_point.tolist() == [-8, -8]


def test_affine_is_no_worse_than_its_minmax_start() -> None:
    x = np.random.default_rng(3).standard_t(3, (200, 64)).astype(np.float32)
    scale_max = minmax_scale(x, 15, to_f32)
    fit = minimise_mse_affine(x, 0, 15, scale_max, to_f32)
    zero_point = np.rint(-np.minimum(x.min(axis=1), 0) / scale_max).astype(int)
    for row in range(200):
        start = affine_errors(x[row], 0, 15, zero_point[row], scale_max[row : row + 1])
        assert affine_errors(x[row], 0, 15, fit.zero_point[row], fit.scale[row : row + 1]) <= start * (1 + 1e-12)

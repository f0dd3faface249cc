"""Quantize and dequantize against the definition in exact arithmetic, block by block and element by element."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from naive_blocks import EMPTY_SHAPES, SHAPES, block_ids, layouts
from numpy.typing import NDArray
from scalar_oracle import SCALAR_FORMATS, half_to_even, nearest_f32

from harness.errors import NonFiniteError, SchemeError
from harness.numerics.calibrate import QuantParams
from harness.numerics.formats import FORMATS
from harness.numerics.quantize import Quantized, dequantize, encode, fake_quantize, quantize, saturated, with_params
from harness.numerics.scales import Scales
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
INTEGERS = tuple(name for name, row in SCALAR_FORMATS.items() if name.startswith(("int", "uint")))


def _exact_block(block: list[float], scheme: OperandScheme) -> tuple[list[int], list[float]]:
    """(codes, dequantized values) of one block calibrated by minmax with an f32 scale, all in exact arithmetic."""
    oracle = SCALAR_FORMATS[scheme.format]
    exact = [Fraction(x) for x in block]
    low_code, high_code = oracle.codes[0], oracle.codes[-1]
    zero_point = 0
    if scheme.symmetric:
        unsigned = oracle.values[0] >= 0
        amplitude = max(max(x, Fraction(0)) if unsigned else abs(x) for x in exact)
        scale = nearest_f32(amplitude / oracle.values[-1]) if amplitude else Fraction(1)
    else:
        low_code += scheme.narrow_range
        low, high = min(*exact, Fraction(0)), max(*exact, Fraction(0))
        scale = nearest_f32(nearest_f32(high - low) / (high_code - low_code)) if high > low else Fraction(1)
        zero_point = min(max(half_to_even(nearest_f32(low_code - nearest_f32(low / scale))), low_code), high_code)
    codes, values = [], []
    for x, sign_carrier in zip(exact, block, strict=True):
        quotient = nearest_f32(x / scale)
        if scheme.format in INTEGERS:
            code = min(max(half_to_even(quotient) + zero_point, low_code), high_code)
            value = Fraction(code - zero_point)
        else:
            code = oracle.code(float(quotient) if quotient else sign_carrier * 0.0)
            value = nearest_f32(oracle.value(code))
        codes.append(code)
        values.append(float(nearest_f32(value * scale)))
    return codes, values


def _tie_rich(shape: tuple[int, ...]) -> Float32:
    """Normal values, and in between multiples of 1/2 and zeros of both signs, which make ties and exact codes."""
    rng = np.random.default_rng(sum(shape))
    x = rng.standard_normal(shape).astype(np.float32)
    coarse = (rng.integers(-16, 17, shape) / 2).astype(np.float32)
    return np.where(rng.random(shape) < 0.5, coarse, x).astype(np.float32)


def _compare(quantized: Quantized, x: Float32, ids: NDArray[np.int64]) -> None:
    values = dequantize(quantized)
    assert values.dtype == np.float32
    assert values.shape == quantized.codes.shape == x.shape
    for block in range(int(ids.max()) + 1):
        chosen = ids == block
        codes, expected = _exact_block(x[chosen].tolist(), quantized.scheme)
        assert quantized.codes[chosen].tolist() == codes
        assert values[chosen].tolist() == expected


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize(("granularity", "shape", "axis"), layouts(SHAPES))
def test_every_layout(granularity: str, shape: tuple[int, ...], axis: int, symmetric: bool) -> None:
    x = _tie_rich(shape)
    quantized = quantize(x, OperandScheme("int4", granularity, symmetric), channel_axis=axis)
    _compare(quantized, x, block_ids(shape, granularity, axis))


@pytest.mark.parametrize("name", SCALAR_FORMATS)
def test_every_format_symmetric(name: str) -> None:
    x = _tie_rich((6, 41))
    _compare(quantize(x, OperandScheme(name, "per_group:16")), x, block_ids(x.shape, "per_group:16", 0))


@pytest.mark.parametrize("shift", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", INTEGERS)
def test_every_integer_asymmetric(name: str, narrow: bool, shift: float) -> None:
    scheme = OperandScheme(name, "per_group:16", symmetric=False, narrow_range=narrow and not name.startswith("u"))
    x = _tie_rich((4, 41)) + np.float32(shift)
    _compare(quantize(x, scheme), x, block_ids(x.shape, "per_group:16", 0))


@pytest.mark.parametrize("scale_format", ["f32", "f16", "bf16", "e8m0", "e8m0_rceil", "e4m3"])
@pytest.mark.parametrize("name", ["int8", "int4", "fp8_e4m3", "fp4_e2m1", "nf4", "binary"])
def test_codes_come_from_the_rounded_scale(name: str, scale_format: str) -> None:
    """Whatever the stored scale is, codes and values follow from it and from nothing else."""
    x = _tie_rich((5, 24))
    quantized = quantize(x, OperandScheme(name, "per_group:8", scale_format=scale_format))
    oracle = SCALAR_FORMATS[name]
    scale = np.broadcast_to(quantized.tiling.expand(quantized.params.scale), x.shape)
    values = dequantize(quantized)
    for index in np.ndindex(x.shape):
        exact = Fraction(float(scale[index]))
        quotient = nearest_f32(Fraction(float(x[index])) / exact)
        code = oracle.code(float(quotient) if quotient else float(x[index]) * 0.0)
        assert quantized.codes[index] == code
        assert values[index] == float(nearest_f32(nearest_f32(oracle.value(code)) * exact))


@pytest.mark.parametrize("name", ["int8", "int4", "fp8_e4m3", "fp4_e2m1", "nf4", "ternary"])
def test_quotients_are_divided_not_multiplied_by_a_reciprocal(name: str) -> None:
    """Values beside the ties of awkward scales, where x/s and x·(1/s) often give different codes."""
    oracle, row = SCALAR_FORMATS[name], FORMATS[name]
    rng = np.random.default_rng(31)
    scale = rng.uniform(0.5, 1, (60, 1)).astype(np.float32)
    middle = (row.values[:-1] + row.values[1:]) / 2
    x = (rng.choice(middle, (60, 40)) * scale).astype(np.float32)
    x = np.nextafter(x, x * rng.choice([0, 1, 2], x.shape).astype(np.float32))
    params = QuantParams(Scales(scale), None)
    codes = quantize(x, OperandScheme(name, "per_channel"), params=params).codes
    for index in np.ndindex(x.shape):
        quotient = nearest_f32(Fraction(float(x[index])) / Fraction(float(scale[index[0], 0])))
        assert codes[index] == oracle.code(float(quotient))
    assert (codes != row.encode(x * (np.float32(1) / scale))).any(), "the values must tell the two apart"


def test_the_zero_point_is_added_after_rounding() -> None:
    """x/s = 0.5 with zero point 1: rint(0.5) + 1 = 1 (ONNX), not rint(1.5) = 2."""
    scheme = OperandScheme("uint8", symmetric=False)
    params = QuantParams(Scales(np.array([1], np.float32)), np.array([1], np.int32))
    tiling = scheme.blocks.tiling((4,))
    assert encode(np.array([0.5, 1.5, 2.5, -0.5], np.float32), scheme, tiling, params).tolist() == [1, 3, 3, 1]


def test_given_parameters_are_used() -> None:
    scheme = OperandScheme("int8")
    params = QuantParams(Scales(np.array([[0.5]], np.float32)), None)
    quantized = quantize(np.array([[1.0, 100.0]]), scheme, params=params)
    assert quantized.codes.tolist() == [[2, 127]]
    assert dequantize(with_params(quantized, np.array([[3, -128]], np.int8))).tolist() == [[1.5, -64.0]]


def test_narrow_range_drops_the_most_negative_code() -> None:
    params = QuantParams(Scales(np.array([1], np.float32)), None)
    x = np.array([-128.0, -127.0, 127.0], np.float32)
    codes = [quantize(x, OperandScheme(narrow_range=narrow), params=params).codes.tolist() for narrow in (False, True)]
    assert codes == [[-128, -127, 127], [-127, -127, 127]]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("granularity", "shape", "axis"), layouts(EMPTY_SHAPES))
def test_empty_tensors(granularity: str, shape: tuple[int, ...], axis: int, symmetric: bool) -> None:
    quantized = quantize(np.empty(shape), OperandScheme("int8", granularity, symmetric), channel_axis=axis)
    assert quantized.codes.shape == dequantize(quantized).shape == saturated(np.empty(shape), quantized).shape == shape
    assert (quantized.params.scale == 1).all()


@pytest.mark.parametrize("name", ["int8", "fp8_e4m3", "nf4"])
def test_a_scalar(name: str) -> None:
    quantized = quantize(np.array(-2.5), OperandScheme(name))
    assert quantized.codes.shape == ()
    assert dequantize(quantized) == -2.5


@pytest.mark.parametrize("layout", ["transposed", "strided", "float64", "float16", "integers", "list"])
def test_any_array_is_taken_as_f32(layout: str) -> None:
    x = _tie_rich((6, 8))
    forms = {
        "transposed": np.ascontiguousarray(x.T).T,
        "strided": np.repeat(x, 2, axis=1)[:, ::2],
        "float64": x.astype(np.float64),
        "float16": x.astype(np.float16),
        "integers": np.rint(x).astype(np.int64),
        "list": x.tolist(),
    }
    given = forms[layout]
    scheme = OperandScheme("int4", "per_group:3", symmetric=False)
    expected = fake_quantize(np.array(given, dtype=np.float32, order="C"), scheme)
    assert np.array_equal(fake_quantize(given, scheme), expected)


def test_large_tensors_are_worked_on_in_parts() -> None:
    """Longer than a part along the first axis, along the second, and as one vector: the same as piece by piece."""
    rng = np.random.default_rng(2)
    for shape in ((3, 300_000), (600_000,), (1, 2, 3, 70_000), (70_000, 7)):
        x = rng.standard_normal(shape).astype(np.float32)
        scheme = OperandScheme("int8", "per_group:1000", symmetric=False)
        whole = fake_quantize(x, scheme)
        piece = (..., slice(2000, 4000)) if shape[-1] > 4000 else (slice(500, 600), ...)
        assert np.array_equal(whole[piece], fake_quantize(x[piece], scheme))


# What is not finite is never given a code silently ------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["int8", "uint4", "fp8_e4m3", "nf4", "binary"])
def test_what_is_not_finite_is_refused(name: str, bad: float) -> None:
    x = np.array([[1.0, bad, 2.0]])
    for refuse in (quantize, fake_quantize):
        with pytest.raises(NonFiniteError, match=r"got 1 NaN or Inf among 3"):
            refuse(x, OperandScheme(name))


def test_f64_beyond_f32_is_not_finite() -> None:
    with np.errstate(over="ignore"), pytest.raises(NonFiniteError):
        quantize(np.array([1e300]), OperandScheme())


@pytest.mark.parametrize("symmetric", [True, False])
def test_masked_values_come_back_as_nan_and_leave_the_others_alone(symmetric: bool) -> None:
    x = _tie_rich((4, 16))
    dirty = x.copy()
    dirty[0, 3], dirty[1, 5], dirty[2, 7] = np.nan, np.inf, -np.inf
    holes = ~np.isfinite(dirty)
    scheme = OperandScheme("int8", "per_token", symmetric)
    quantized = quantize(dirty, scheme, non_finite="mask")
    values = dequantize(quantized)
    assert quantized.invalid is not None
    assert np.array_equal(quantized.invalid, holes)
    assert np.array_equal(np.isnan(values), holes)
    assert np.array_equal(values[~holes], fake_quantize(np.where(holes, 0, x), scheme)[~holes])
    assert not saturated(dirty, quantized)[holes].any()


def test_a_clean_tensor_has_no_mask() -> None:
    assert quantize(np.ones(3), OperandScheme(), non_finite="mask").invalid is None


# Saturation: more than half a code outside --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "narrow", "inside", "outside"),
    [
        ("int8", False, (127.5, -128.5), (127.50001, -128.50002)),
        ("int8", True, (127.5, -127.5), (127.50001, -127.50001)),
        ("int4", False, (7.5, -8.5), (7.5000005, -8.500001)),
        ("uint8", False, (255.5, -0.5), (255.50002, -0.50000006)),
        ("ternary", False, (1.5, -1.5), (1.5000001, -1.5000001)),
        ("binary", False, (2.0, -2.0), (2.0000002, -2.0000002)),
        ("fp8_e4m3", False, (464.0, -464.0), (464.00003, -464.00003)),
        ("fp8_e5m2", False, (61440.0, -61440.0), (61440.004, -61440.004)),
        ("fp6_e2m3", False, (7.75, -7.75), (7.7500005, -7.7500005)),
        ("fp6_e3m2", False, (30.0, -30.0), (30.000002, -30.000002)),
        ("fp4_e2m1", False, (7.0, -7.0), (7.0000005, -7.0000005)),
        ("nf4", False, (1.1385, -1.1519), (1.1386, -1.152)),
    ],
)
def test_saturation(name: str, narrow: bool, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    scheme = OperandScheme(name, narrow_range=narrow)
    for scale in (1.0, 0.25, 2.0**60):
        params = QuantParams(Scales(np.array([scale], np.float32)), None)
        x = np.array((*inside, *outside, 0.1), np.float32) * np.float32(scale)
        flags = saturated(x, quantize(x, scheme, params=params))
        assert flags.tolist() == [False, False, True, True, False]


def test_saturation_counts_from_the_zero_point() -> None:
    scheme = OperandScheme("uint8", symmetric=False)
    params = QuantParams(Scales(np.array([1], np.float32)), np.array([10], np.int32))
    x = np.array([-10.5, -10.51, 245.5, 245.51], np.float32)
    assert saturated(x, quantize(x, scheme, params=params)).tolist() == [False, True, False, True]


def test_a_scheme_that_does_not_fit() -> None:
    with pytest.raises(SchemeError, match="asymmetric needs an integer format, not nf4, got nf4/per_tensor/asymmetric"):
        quantize(np.ones(3), OperandScheme("nf4", symmetric=False))

"""Every element format against an exact scalar oracle, over all codes and all ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scalar_oracle import SCALAR_FORMATS, ScalarFormat, nearest_f32, telling_points
from scipy.stats import norm

from harness.errors import SchemeError
from harness.numerics.formats import FORMATS, NF4_VALUES, element_format

SCALAR = pytest.mark.parametrize("oracle", SCALAR_FORMATS.values(), ids=lambda row: row.name)


def test_every_format_has_an_oracle() -> None:
    assert set(FORMATS) == set(SCALAR_FORMATS)


@SCALAR
def test_codes_and_values_are_those_of_the_oracle(oracle: ScalarFormat) -> None:
    row = FORMATS[oracle.name]
    assert row.bits == oracle.bits
    assert row.codes.tolist() == list(oracle.codes)
    assert row.values.tolist() == [float(value) for value in oracle.values]
    assert row.levels == len(oracle.codes)
    assert row.largest == float(oracle.values[-1])
    assert row.signed == (oracle.values[0] < 0)
    assert row.codes.dtype.itemsize == 1


@SCALAR
def test_encode_rounds_to_the_nearest_code_with_ties_to_even(oracle: ScalarFormat) -> None:
    points = telling_points(oracle)
    expected = [oracle.code(point) for point in points]
    assert FORMATS[oracle.name].encode(np.array(points, dtype=np.float32)).tolist() == expected
    assert set(oracle.codes) <= set(expected), "every code must have been reached"


@SCALAR
def test_encode_of_many_dimensions_and_of_nothing(oracle: ScalarFormat) -> None:
    points = np.array(telling_points(oracle)[:24], dtype=np.float32)
    row = FORMATS[oracle.name]
    flat = row.encode(points)
    assert np.array_equal(row.encode(points.reshape(2, 3, 4)), flat.reshape(2, 3, 4))
    assert np.array_equal(row.encode(points.reshape(4, 6).T), flat.reshape(4, 6).T)
    assert row.encode(points[:0]).shape == (0,)


@SCALAR
def test_infinite_quotients_saturate(oracle: ScalarFormat) -> None:
    low, high = FORMATS[oracle.name].encode(np.array([-np.inf, np.inf], dtype=np.float32)).tolist()
    assert (low, high) == (oracle.codes[0], oracle.codes[-1])


@SCALAR
def test_decode_gives_every_value_back(oracle: ScalarFormat) -> None:
    row = FORMATS[oracle.name]
    decoded = row.decode(row.codes)
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [float(nearest_f32(value)) for value in oracle.values]
    assert np.array_equal(row.encode(decoded), row.codes)


@pytest.mark.parametrize("oracle", [row for row in SCALAR_FORMATS.values() if row.minus_zero is not None])
def test_decode_of_every_byte_of_a_float_format(oracle: ScalarFormat) -> None:
    decoded = FORMATS[oracle.name].decode(np.arange(256, dtype=np.uint8))
    for code, value in enumerate(decoded.tolist()):
        if code == oracle.minus_zero:
            assert value == 0 and math.copysign(1, value) < 0
        elif code in oracle.codes:
            assert value == float(oracle.value(code))
        else:
            assert math.isnan(value), f"{code:#x} is no finite code of {oracle.name}"


def test_fp4_ties_as_published() -> None:
    """The seven ties of E2M1, on both sides of zero."""
    ties = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0], dtype=np.float32)
    row = FORMATS["fp4_e2m1"]
    expected = [0, 1, 1, 2, 2, 4, 4]
    assert row.decode(row.encode(ties)).tolist() == expected
    assert (-row.decode(row.encode(-ties))).tolist() == expected


def test_binary_and_ternary_zero() -> None:
    zeros = np.array([0.0, -0.0, 0.5, -0.5, 2**-149, -(2**-149)], dtype=np.float32)
    assert FORMATS["binary"].encode(zeros).tolist() == [1, 1, 1, -1, 1, -1]
    assert FORMATS["ternary"].encode(zeros).tolist() == [0, 0, 0, 0, 0, 0]
    assert FORMATS["ternary"].encode(
        np.nextafter(np.array([0.5, -0.5], np.float32), np.array([1, -1], np.float32))
    ).tolist() == [1, -1]


def test_nf4_is_made_of_normal_quantiles() -> None:
    """QLoRA's construction: 7 quantiles below zero, 8 above, divided by the largest. The table was made in
    f32, so agreement is to f32's precision."""
    offset = 1 - (1 / 32 + 1 / 30) / 2
    positive = norm.ppf(np.linspace(offset, 0.5, 9))[:-1][::-1]
    negative = -norm.ppf(np.linspace(offset, 0.5, 8))[:-1]
    made = np.concatenate([negative, [0.0], positive]) / norm.ppf(offset)
    np.testing.assert_allclose(NF4_VALUES, made, rtol=0, atol=3e-7)
    assert [float(np.float32(value)) for value in NF4_VALUES] == list(NF4_VALUES)


EMAX = {"fp8_e4m3": 8, "fp8_e5m2": 15, "fp6_e2m3": 2, "fp6_e3m2": 4, "fp4_e2m1": 2, "int8": 6, "int4": 2, "uint4": 2}
"""OCP MX 1.0, table 1; integers of N bits: N-2."""


@pytest.mark.parametrize("name", EMAX)
def test_emax(name: str) -> None:
    assert FORMATS[name].emax == EMAX[name]


@pytest.mark.parametrize(
    ("name", "narrow", "limits"),
    [
        ("int8", False, (-128, 127)),
        ("int8", True, (-127, 127)),
        ("int4", False, (-8, 7)),
        ("int2", True, (-1, 1)),
        ("uint8", False, (0, 255)),
        ("uint3", False, (0, 7)),
    ],
)
def test_limits(name: str, narrow: bool, limits: tuple[int, int]) -> None:
    assert FORMATS[name].limits(narrow) == limits


def test_limits_of_a_format_that_is_no_integer() -> None:
    with pytest.raises(SchemeError, match=r"not an integer format \(got float\)"):
        FORMATS["fp8_e4m3"].limits()


@SCALAR
def test_magnitudes_split_the_values_by_sign(oracle: ScalarFormat) -> None:
    positive, negative = FORMATS[oracle.name].magnitudes()
    assert positive.tolist() == [float(v) for v in oracle.values if v >= 0]
    below = [float(-v) for v in reversed(oracle.values) if v <= 0]
    assert negative.tolist() == (below or positive[:1].tolist())


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(SchemeError, match=r"got 'fp8_e4m4'\); did you mean fp8_e4m3\?"):
        element_format("fp8_e4m4")

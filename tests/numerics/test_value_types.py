"""Types that tensors are stored in, against NumPy's and ml_dtypes' on every pattern of 16 bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from harness.errors import SchemeError
from harness.numerics.value_types import VALUE_TYPES, value_type

PATTERNS = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
NARROW = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}
LARGEST = {"f16": 65504.0, "bf16": float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)}
SMALLEST = {"f16": 2.0**-24, "bf16": 2.0**-133}
narrow = pytest.mark.parametrize("name", NARROW)


def _bits(values):
    return values.view(np.uint32)


def test_names_and_bytes():
    assert {name: (row.name, row.bytes) for name, row in VALUE_TYPES.items()} == {
        "f32": ("f32", 4),
        "f16": ("f16", 2),
        "bf16": ("bf16", 2),
    }
    assert all(np.dtype(row.numpy()).itemsize == row.bytes for row in VALUE_TYPES.values())
    assert value_type("bf16") is VALUE_TYPES["bf16"]


@pytest.mark.parametrize(("name", "nearest"), [("fp16", "f16"), ("bfloat16", "bf16"), ("F32", "f32")])
def test_an_unknown_name(name, nearest):
    with pytest.raises(
        SchemeError, match=rf"^dtype: must be a known value type \(got '{name}'\); did you mean .*{nearest}"
    ):
        value_type(name)


@narrow
def test_every_pattern_is_read_as_its_value(name):
    read = VALUE_TYPES[name].read(PATTERNS)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, PATTERNS.view(NARROW[name]).astype(np.float32))


def test_a_bf16_is_the_upper_half_of_an_f32():
    assert np.array_equal(_bits(VALUE_TYPES["bf16"].read(PATTERNS)) >> 16, PATTERNS)


@narrow
@pytest.mark.filterwarnings("ignore:invalid value")  # a signalling NaN becomes a quiet one
def test_every_value_of_the_type_is_stored_as_its_pattern_and_kept_by_rounding(name):
    kind = VALUE_TYPES[name]
    values = kind.read(PATTERNS)
    number = ~np.isnan(values)
    assert np.array_equal(kind.store(values)[number], PATTERNS[number])
    assert np.isnan(kind.round(values)[~number]).all()
    assert np.array_equal(_bits(kind.round(values))[number], _bits(values)[number])


@narrow
def test_between_neighbours_the_nearer_is_taken_and_at_a_tie_the_even_one(name):
    kind = VALUE_TYPES[name]
    infinity = int(kind.store(np.array([np.inf], np.float32))[0])
    low = PATTERNS[: infinity - 1]  # every positive number but the largest, and its neighbour
    below, above = kind.read(low), kind.read(low + np.uint16(1))
    # float64 holds what lies between exactly; f32 does where the two are at least two units apart.
    middle = ((below.astype(np.float64) + above) / 2).astype(np.float32)
    even = np.where(low % 2 == 0, below, above)
    for sign in (np.float32(1), np.float32(-1)):
        assert np.array_equal(kind.round(sign * middle), sign * even)
        assert np.array_equal(kind.round(sign * np.nextafter(middle, np.float32(0))), sign * below)
        assert np.array_equal(kind.round(sign * np.nextafter(middle, np.float32(np.inf))), sign * above)


@narrow
def test_beyond_the_range_lies_infinity(name):
    kind, largest = VALUE_TYPES[name], LARGEST[name]
    half = (largest - kind.read(kind.store(np.array([largest], np.float32)) - np.uint16(1))[0]) / 2
    limit = np.float32(largest + half)  # the first that rounds up, to what would be even
    values = np.array([largest, np.nextafter(limit, np.float32(0)), limit, np.float32(3.4e38), np.inf], np.float32)
    expected = np.array([largest, largest, np.inf, np.inf, np.inf], np.float32)
    with np.errstate(all="raise"):
        assert np.array_equal(kind.round(values), expected)
        assert np.array_equal(kind.round(-values), -expected)


@narrow
def test_small_values_keep_their_sign(name):
    kind, smallest = VALUE_TYPES[name], np.float32(SMALLEST[name])
    values = np.array([smallest, 0.75 * smallest, 0.5 * smallest, 0.0], np.float32)
    expected = np.array([smallest, smallest, 0.0, 0.0], np.float32)
    assert np.array_equal(_bits(kind.round(values)), _bits(expected))
    assert np.array_equal(_bits(kind.round(-values)), _bits(-expected))


@pytest.mark.parametrize("name", VALUE_TYPES)
@pytest.mark.filterwarnings("ignore:invalid value")  # a signalling NaN becomes a quiet one
def test_rounding_is_that_of_the_library_and_idempotent(name):
    """Random patterns of 32 bits: all magnitudes, NaN and Inf among them."""
    kind = VALUE_TYPES[name]
    values = np.random.default_rng(0).integers(0, 1 << 32, (100, 1000), np.uint32).view(np.float32)
    rounded = kind.round(values)
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(rounded, values.astype(kind.numpy()).astype(np.float32))
    assert (rounded.shape, rounded.dtype) == (values.shape, np.float32)
    assert np.array_equal(np.isnan(rounded), np.isnan(values))
    np.testing.assert_array_equal(kind.round(rounded), rounded)


@pytest.mark.parametrize("name", VALUE_TYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (4, 6)])
def test_what_is_stored_comes_back(name, shape):
    kind = VALUE_TYPES[name]
    values = np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32).T  # not contiguous
    stored = kind.store(values)
    assert stored.shape == values.shape
    assert stored.dtype == (np.float32 if name == "f32" else np.uint16)
    assert np.array_equal(kind.read(stored), kind.round(values))
    if name == "f32":
        assert np.array_equal(kind.round(values), values)

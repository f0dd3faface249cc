"""``common/quotient.cuh`` divides values of 16 bits by two products: why their codes are those of the IEEE quotient.

A product is off by less than 2^-45 of itself before it is rounded to f32. Codes differ only where the quotient lies nearer than that
to a border: the middle between a threshold of the format and the f32 next to it. All of x (mantissas of up to 11 bits, f16's)
and all scales (mantissas of 24 bits) near a border are found here, and the products made in exact arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from harness.kernels.specialisation import SOURCE_ROOT
from harness.numerics.formats import FORMATS

X_BITS = 11
OFF = 2.0**-43
FLOATS = ("fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1", "nf4")
MOST = 550
"""Of integers, zero points taken off, and a code beyond the range as gradients have it: below 2 · 255 + 2."""


def _mantissas(thresholds) -> np.ndarray:
    """Of f32, as whole numbers of 24 bits, each once."""
    values = np.abs(np.asarray(thresholds, np.float32)).astype(np.float64)
    return np.unique((np.frexp(values[values > 0])[0] * 2**24).astype(np.int64))


def _thresholds() -> np.ndarray:
    halves = np.arange(1, 2 * MOST) / 2  # codes change at odd ones, saturation is asked at whole ones too
    return np.unique(np.concatenate([_mantissas(halves), *(_mantissas(FORMATS[name].thresholds) for name in FLOATS)]))


@functools.cache
def _near() -> tuple[tuple[int, int], ...]:
    """Mantissas of x and of scales whose quotient is near a border, as whole numbers of 11 and 24 bits."""
    t = _thresholds()
    # In quarters of an f32: half an f32 above, half below, of powers of two a quarter.
    borders = np.unique(np.concatenate([4 * t + 2, np.where(t == 2**23, 4 * t - 1, 4 * t - 2)]))
    x = np.arange(2 ** (X_BITS - 1), 2**X_BITS, dtype=np.int64)[:, None]
    found = set()
    for shift in range(49 - X_BITS, 52 - X_BITS):
        shifted = x << shift
        below = shifted // borders
        for scale, off in ((below, shifted - below * borders), (below + 1, (below + 1) * borders - shifted)):
            near = (scale >= 2**23) & (scale < 2**24) & (off < shifted * OFF)
            found |= {(int(x[row, 0]), int(scale[row, column])) for row, column in zip(*np.nonzero(near), strict=True)}
    return tuple(sorted(found))


def _ulp(value: Fraction) -> Fraction:
    """Of positive f32 of that size, exponents without limits."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    while Fraction(2) ** exponent > value:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= value:
        exponent += 1
    return Fraction(2) ** (exponent - 23)


def _down(value: Fraction) -> Fraction:
    return value // _ulp(value) * _ulp(value) if value else value


def _up(value: Fraction) -> Fraction:
    return _down(value) if _down(value) == value else _down(value) + _ulp(value)


def _nearest(value: Fraction) -> Fraction:
    if not value:
        return value
    units = value / _ulp(value)
    whole, rest = units // 1, units % 1
    return (whole + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2))) * _ulp(value)


def _product(x: Fraction, scale: Fraction, last=_up) -> Fraction:
    """What Divisor makes of x; ``last`` rounds its last step."""
    inverse = _down(1 / scale)
    lacking = 1 - scale * inverse
    assert _nearest(lacking) == lacking, "f32 holds it"
    first = _nearest(lacking * inverse)
    return _nearest(x * inverse + _nearest(x * last(first * lacking + first)))


def _wrong(last) -> Iterator[tuple[int, int]]:
    for x, scale in _near():
        if _product(Fraction(x), Fraction(scale), last) != _nearest(Fraction(x, scale)):
            yield x, scale


def test_few_quotients_are_near_a_border():
    assert 5 <= len(_near()) <= 30


def test_products_are_the_quotients_where_they_are_near_a_border():
    assert list(_wrong(_up)) == []


def test_without_rounding_up_one_is_not():
    """The check can fail: x a power of two, all bits of the scale set."""
    assert list(_wrong(_nearest)) == [(1024, 2**24 - 1)]


def test_elsewhere_products_are_near_enough():
    rng = np.random.default_rng(0)
    for x, scale in zip(rng.integers(1024, 2048, 2000), rng.integers(2**23, 2**24, 2000), strict=True):
        exact = Fraction(int(x), int(scale))
        inverse = _down(1 / Fraction(int(scale)))
        lacking = 1 - int(scale) * inverse
        first = _nearest(lacking * inverse)
        made = int(x) * inverse + _nearest(int(x) * _up(first * lacking + first))
        assert abs(made - exact) < exact * Fraction(OFF) / 4


@pytest.mark.parametrize("text", ["rest = __fmaf_ru(first, lacking, first);", "return fmaf(x, inverse, x * rest);"])
def test_the_source_does_what_is_tested_here(text):
    assert text in (SOURCE_ROOT / "common/quotient.cuh").read_text()

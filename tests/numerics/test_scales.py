"""How an amplitude becomes a stored scale, against exact arithmetic and a restatement of NVFP4's rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from scalar_oracle import SCALAR_FORMATS, ScalarFormat, f32_neighbours, floor_log2, nearest_binary, nearest_f32

from harness.errors import SchemeError
from harness.numerics.formats import FORMATS
from harness.numerics.scales import (
    SCALE_FORMATS,
    affine_scales,
    global_scale_of,
    round_to_bf16,
    scale_format,
    symmetric_scales,
)

Float32 = NDArray[np.float32]
TWO = Fraction(2)
ELEMENTS = ("int8", "int4", "int2", "uint8", "binary", "ternary", "nf4", "fp8_e4m3", "fp8_e5m2", "fp6_e2m3", "fp4_e2m1")


def _emax(element: ScalarFormat) -> int:
    """OCP MX 1.0: the exponent of the largest normal number; integers of N bits: N-2."""
    return element.bits - 2 if "int" in element.name else floor_log2(element.values[-1])


def _saturating(rounding: Callable[[Fraction], Fraction], largest: Fraction) -> Callable[[Fraction], Fraction]:
    def rounded(x: Fraction) -> Fraction:
        try:
            return rounding(x)
        except OverflowError:
            return largest

    return rounded


F16_LARGEST = Fraction(65504)
BF16_LARGEST = TWO**128 - TWO**120
ROUNDED: dict[str, tuple[Callable[[Fraction], Fraction], Fraction]] = {
    "f32": (nearest_f32, TWO**-126),
    "f16": (_saturating(lambda x: nearest_binary(x, 11, -14, F16_LARGEST), F16_LARGEST), TWO**-24),
    "bf16": (_saturating(lambda x: nearest_binary(x, 8, -126, BF16_LARGEST), BF16_LARGEST), TWO**-126),
}
"""Scale format → (rounding of the f32 quotient, declared minimum)."""


def _expected(amplitude: float, element: ScalarFormat, name: str) -> Fraction:
    """The stored scale of one block."""
    exact, largest = Fraction(amplitude), element.values[-1]
    if name in ROUNDED:
        rounding, minimum = ROUNDED[name]
        return max(rounding(nearest_f32(exact / largest)), minimum)
    if name == "e8m0":
        exponent = floor_log2(exact) - _emax(element)
    else:
        ratio = exact / largest
        exponent = floor_log2(ratio) + (TWO ** floor_log2(ratio) != ratio)
    return TWO ** min(max(exponent, -127), 127)


def _amplitudes(element: ScalarFormat) -> list[float]:
    """Powers of two and the largest code value times powers of two, each with its f32 neighbours; ends of f32."""
    powers = [float(TWO**k) for k in (*range(-149, 128, 9), -126, -14, -1, 0, 1, 2, 8, 15, 16, 127)]
    scaled = [float(element.values[-1] * TWO**k) for k in range(-140, 104, 12)]
    normal = np.abs(np.random.default_rng(5).standard_normal(40)).astype(np.float32).tolist()
    points = [near for x in (*powers, *scaled, *normal) for near in f32_neighbours(x)]
    return [x for x in (*points, 1e-40, 3e38, 3.4028234663852886e38) if x > 0]


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", ["f32", "f16", "bf16", "e8m0", "e8m0_rceil"])
def test_symmetric_scale(name: str, element: str) -> None:
    oracle = SCALAR_FORMATS[element]
    amplitudes = _amplitudes(oracle)
    scales = symmetric_scales(np.array(amplitudes, dtype=np.float32), FORMATS[element], SCALE_FORMATS[name])
    assert scales.scale.dtype == np.float32
    assert scales.block_scale is None
    assert scales.global_scale is None
    for amplitude, scale in zip(amplitudes, scales.scale.tolist(), strict=True):
        assert Fraction(scale) == _expected(amplitude, oracle, name), f"amplitude {amplitude.hex()}"


@pytest.mark.parametrize("name", ["f32", "bf16", "f16", "e8m0", "e8m0_rceil"])
@pytest.mark.parametrize("element", ["int8", "int4", "uint8"])
def test_affine_scale_is_width_over_steps(name: str, element: str) -> None:
    row = FORMATS[element]
    steps = row.levels - 1
    widths = [near for x in (0.1, 1.0, 2.0, 3.7, 255.0, float(steps)) for near in f32_neighbours(x)]
    scales = affine_scales(np.array(widths, dtype=np.float32), steps, row, SCALE_FORMATS[name]).scale
    for width, scale in zip(widths, scales.tolist(), strict=True):
        exact = Fraction(width)
        if name in ROUNDED:
            expected = ROUNDED[name][0](nearest_f32(exact / steps))
        elif name == "e8m0":
            expected = TWO ** (floor_log2(exact / 2) - (row.bits - 2))  # the amplitude is half the width
        else:
            expected = TWO ** math.ceil(math.log2(exact / steps))
        assert Fraction(scale) == expected


@pytest.mark.parametrize("name", SCALE_FORMATS)
@pytest.mark.parametrize("element", ELEMENTS)
def test_a_zero_block_has_scale_one_unless_the_format_has_no_zero(name: str, element: str) -> None:
    row = SCALE_FORMATS[name]
    scales = symmetric_scales(np.zeros(3, np.float32), FORMATS[element], row)
    assert scales.scale.tolist() == [row.minimum if element == "binary" else 1.0] * 3
    if row.two_level:
        assert scales.global_scale == 1.0


MINIMA = {"f32": 2.0**-126, "f16": 2.0**-24, "bf16": 2.0**-126, "e8m0": 2.0**-127, "e8m0_rceil": 2.0**-127}


@pytest.mark.parametrize("name", MINIMA)
def test_a_tiny_block_has_the_declared_minimum(name: str) -> None:
    scale = symmetric_scales(np.array([1e-40], np.float32), FORMATS["int8"], SCALE_FORMATS[name]).scale
    assert scale.tolist() == [MINIMA[name]]


def test_bf16_is_that_of_ml_dtypes() -> None:
    """Every upper half of an f32 with lower halves around the tie."""
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=np.uint32)
    x = ((np.arange(1 << 16, dtype=np.uint32) << 16)[:, None] | lower).view(np.float32)
    x = x[np.isfinite(x)]
    assert np.array_equal(round_to_bf16(x), x.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_e8m0_scales_are_e8m0_numbers() -> None:
    amplitudes = np.ldexp(np.float32(1.7), np.arange(-140, 127)).astype(np.float32)
    for name in ("e8m0", "e8m0_rceil"):
        scale = symmetric_scales(amplitudes, FORMATS["fp8_e4m3"], SCALE_FORMATS[name]).scale
        assert np.array_equal(scale.astype(ml_dtypes.float8_e8m0fnu).astype(np.float32), scale)


def _nvfp4(amplitude: Float32, largest: float) -> tuple[Float32, Float32, np.float32]:
    """(scale, block scale, global scale) of arXiv 2509.25149's rule, restated with ml_dtypes."""
    whole = np.float32(amplitude.max() / np.float32(448 * largest))
    wanted = np.clip(amplitude / np.float32(largest) / whole, np.float32(2**-9), np.float32(448))
    block = wanted.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    return block * whole, block, whole


@pytest.mark.parametrize("element", ["fp4_e2m1", "int4", "int8"])
def test_two_level_scales_follow_the_rule_of_nvfp4(element: str) -> None:
    rng = np.random.default_rng(3)
    amplitude = np.exp(rng.normal(0, 3, (40, 25))).astype(np.float32)
    scales = symmetric_scales(amplitude, FORMATS[element], SCALE_FORMATS["e4m3"])
    scale, block, whole = _nvfp4(amplitude, FORMATS[element].largest)
    assert scales.block_scale is not None
    assert (block == 2**-9).any(), "the declared minimum must be reached"
    assert scales.global_scale == whole
    assert np.array_equal(scales.block_scale, block)
    assert np.array_equal(scales.scale, scale)


@pytest.mark.parametrize("top", [1e-40, 1e-38, 1e-10, 1.0, 448.0 * 6, 3e38])
def test_two_level_scales_of_extreme_tensors(top: float) -> None:
    amplitude = np.array([top, top / 2, top / 1e6, 0.0], dtype=np.float32)
    scales = symmetric_scales(amplitude, FORMATS["fp4_e2m1"], SCALE_FORMATS["e4m3"])
    assert scales.block_scale is not None
    assert scales.block_scale[3] == 1.0
    assert np.isfinite(scales.scale).all()
    assert (scales.scale > 0).all()
    if top >= 1e-30:
        assert scales.block_scale[0] == 448.0


def test_the_global_scale() -> None:
    assert global_scale_of(np.array([1.0, 5.0], np.float32), 6.0) == np.float32(5) / np.float32(2688)
    assert global_scale_of(np.array([], np.float32), 6.0) == 1.0
    assert global_scale_of(np.zeros(3, np.float32), 6.0) == 1.0


def test_an_unknown_scale_format_names_the_nearest() -> None:
    with pytest.raises(SchemeError, match=r"got 'e8m0_ceil'\); did you mean e8m0_rceil\?"):
        scale_format("e8m0_ceil")

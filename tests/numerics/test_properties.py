"""Properties that hold for whatever tensor comes along."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.numerics.calibrate import QuantParams
from harness.numerics.formats import FORMATS, ElementFormat
from harness.numerics.quantize import dequantize, encode, fake_quantize, quantize, saturated
from harness.numerics.scales import SCALE_FORMATS, Scales
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
PROFILE = settings(max_examples=60, deadline=None, derandomize=True, database=None)

ELEMENTS = st.sampled_from(sorted(FORMATS)).map(FORMATS.__getitem__)
GRANULARITIES = st.sampled_from(["per_tensor", "per_channel", "per_token", "per_group:3", "per_block:2x3"])
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)
ANY_FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
MODERATE = st.floats(min_value=-1000, max_value=1000, width=32, allow_subnormal=False)


def _tensors(values: st.SearchStrategy[float]) -> st.SearchStrategy[Float32]:
    return hnp.arrays(np.float32, SHAPES, elements=values)


@st.composite
def _schemes(draw: st.DrawFn) -> OperandScheme:
    element = draw(ELEMENTS)
    return OperandScheme(
        element.name,
        draw(GRANULARITIES),
        symmetric=not element.is_integer or draw(st.booleans()),
        calibration=draw(st.sampled_from(["minmax", "percentile:90", "ema_minmax:0.3,3"])),
        scale_format=draw(st.sampled_from(sorted(SCALE_FORMATS))),
        narrow_range=element.kind == "int" and draw(st.booleans()),
    )


def _with_scale(element: ElementFormat, scale: float) -> tuple[OperandScheme, QuantParams]:
    return OperandScheme(element.name), QuantParams(Scales(np.array([scale], np.float32)), None)


@PROFILE
@given(_tensors(ANY_FINITE), _schemes())
def test_whatever_is_finite_has_a_finite_scale_and_no_nan(x: Float32, scheme: OperandScheme) -> None:
    quantized = quantize(x, scheme)
    assert np.isfinite(quantized.params.scale).all()
    assert (quantized.params.scale > 0).all()
    with np.errstate(over="ignore"):
        values = dequantize(quantized)
    assert values.shape == x.shape
    assert not np.isnan(values).any()
    codes = set(np.unique(quantized.codes).tolist())
    assert codes <= {*scheme.element.codes.tolist(), scheme.element.sign_bit}


@PROFILE
@given(ELEMENTS, st.integers(min_value=-60, max_value=60))
def test_representable_values_round_trip(element: ElementFormat, exponent: int) -> None:
    """decode(encode(v)) = v for every code and any power of two as the scale."""
    scheme, params = _with_scale(element, 2.0**exponent)
    values = element.decode(element.codes) * np.float32(2.0**exponent)
    quantized = quantize(values, scheme, params=params)
    assert np.array_equal(quantized.codes, element.codes)
    assert np.array_equal(dequantize(quantized), values)


@PROFILE
@given(ELEMENTS, hnp.arrays(np.float32, 50, elements=ANY_FINITE), st.floats(2.0**-20, 2.0**20, width=32))
def test_encoding_is_monotonic(element: ElementFormat, x: Float32, scale: float) -> None:
    scheme, params = _with_scale(element, scale)
    with np.errstate(over="ignore"):
        values = element.decode(encode(np.sort(x), scheme, scheme.blocks.tiling(x.shape), params))
    assert (np.diff(values) >= 0).all()


@PROFILE
@given(_tensors(MODERATE), _schemes())
def test_the_error_inside_the_range_is_half_a_step(x: Float32, scheme: OperandScheme) -> None:
    quantized = quantize(x, scheme)
    scale = np.broadcast_to(quantized.tiling.expand(quantized.params.scale), x.shape).astype(np.float64)
    error = np.abs(dequantize(quantized).astype(np.float64) - x)
    step = np.diff(scheme.element.values).max()
    # Quotient and product are each rounded to f32.
    slack = 4 * np.finfo(np.float32).eps * (np.abs(x) + scale * step) + np.finfo(np.float32).tiny
    inside = ~saturated(x, quantized)
    assert (error <= scale * step / 2 + slack)[inside].all()


@PROFILE
@given(_tensors(MODERATE), _schemes(), st.sampled_from([2.0**-3, 1.0, 2.0**5]))
def test_quantizing_again_under_the_same_parameters_changes_nothing(
    x: Float32, scheme: OperandScheme, factor: float
) -> None:
    first = quantize(x * np.float32(factor), scheme)
    values = dequantize(first)
    again = quantize(values, scheme, params=first.params)
    assert np.array_equal(dequantize(again), values)


@PROFILE
@given(_tensors(MODERATE), st.sampled_from(["int8", "int4", "fp8_e4m3", "nf4"]), GRANULARITIES)
def test_fake_quantization_by_absmax_is_idempotent(x: Float32, name: str, granularity: str) -> None:
    """Scaled by powers of two, the amplitude survives, and with it every value."""
    scheme = OperandScheme(name, granularity, scale_format="e8m0_rceil")
    once = fake_quantize(x, scheme)
    scale, kept = quantize(x, scheme).params.scale, quantize(once, scheme).params.scale
    assert (kept <= scale).all()
    assert np.array_equal(fake_quantize(once, OperandScheme(name, granularity, scale_format="e8m0_rceil")), once)


@PROFILE
@given(_tensors(MODERATE), ELEMENTS, GRANULARITIES)
def test_quantization_is_odd_but_for_ends_that_are_not(x: Float32, element: ElementFormat, granularity: str) -> None:
    """Negating a tensor negates the result in every format whose values lie symmetrically about zero."""
    if not np.array_equal(element.values, -element.values[::-1]) or element.name == "binary":
        return
    scheme = OperandScheme(element.name, granularity)
    assert np.array_equal(fake_quantize(-x, scheme), -fake_quantize(x, scheme))

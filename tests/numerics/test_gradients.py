"""Gradients of fake quantization against the derivative of what is differentiated, element by element."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import SchemeError
from harness.numerics.calibrate import QuantParams, calibrate
from harness.numerics.gradients import lsq_derivatives, lsq_start, ste_derivatives
from harness.numerics.scales import Scales
from harness.numerics.scheme import OperandScheme

STEP = 1e-100j
"""Complex step: the derivative without cancellation, exact to rounding."""
GRANULARITIES = ["per_tensor", "per_channel", "per_token", "per_group:32", "per_block:2x48"]


def _scheme(**axes):
    return OperandScheme(**{"format": "int8", "granularity": "per_tensor", **axes})


def _params(scale, zero_point=None):
    return QuantParams(Scales(scale), zero_point)


def _quotient(x, s):
    """As it is computed, in f32: what decides about codes and saturation."""
    return np.float32(x.real) / np.float32(s.real)


def _rounded(x, s):
    """The rounded quotient as gradients take it: its value, and the derivative of the quotient."""
    return x / s + (np.float64(np.rint(_quotient(x, s))) - (x / s).real)


def _affine(x, s, z, low, high):
    """The output of one element, for complex arguments; saturation by the rounded code."""
    code = _rounded(x, s) + z
    if round(code.real) < low:
        code = complex(low)
    elif round(code.real) > high:
        code = complex(high)
    return (code - z) * s


def _lsq(x, s, z, low, high):
    """The same; saturation by the quotient."""
    quotient = _quotient(x, s)
    return s * (low if quotient <= low else high if quotient >= high else _rounded(x, s))


def _derivatives(function, x, s, z, limits):
    """By x, s and z."""
    given = [complex(x), complex(s), complex(z)]
    found = []
    for place in range(3):
        moved = [value + STEP * (place == at) for at, value in enumerate(given)]
        found.append(function(*moved, *limits).imag / STEP.imag)
    return found


def _expected(function, upstream, x, scheme, tiling, params):
    """Element by element, added up by block."""
    low, high = scheme.element.limits(scheme.narrow_range)
    by_x, by_s, by_z = np.zeros(x.shape), np.zeros(tiling.grid), np.zeros(tiling.grid)
    for at in np.ndindex(x.shape):
        block = tuple(index // extent for index, extent in zip(at, tiling.block, strict=True))
        z = 0 if params.zero_point is None else params.zero_point[block]
        dx, ds, dz = _derivatives(function, x[at], params.scale[block], z, (low, high))
        by_x[at] = upstream[at] * dx
        by_s[block] += float(upstream[at]) * ds
        by_z[block] += float(upstream[at]) * dz
    return by_x, by_s, by_z


def _problem(scheme, shape=(7, 100), spread=1.0, seed=0):
    random = np.random.default_rng(seed)
    x, upstream = (random.standard_normal(shape, dtype=np.float32) for _ in range(2))
    tiling = scheme.blocks.tiling(shape, 0)
    found = calibrate(x, scheme, tiling)
    params = _params(found.scale * np.float32(spread), found.zero_point)
    return upstream, x, tiling, params


@pytest.mark.parametrize("spread", [1.0, 0.3], ids=["all within", "many saturated"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("format", ["int8", "int4", "uint8"])
def test_affine_gradients(format, granularity, symmetric, spread):
    scheme = _scheme(format=format, granularity=granularity, symmetric=symmetric)
    upstream, x, tiling, params = _problem(scheme, spread=spread)
    by_x, by_s, by_z = _expected(_affine, upstream, x, scheme, tiling, params)
    found = ste_derivatives(x, scheme, tiling, params).gradients(upstream)
    np.testing.assert_array_equal(found.values, by_x.astype(np.float32))
    # The quotient is f32 in the one and f64 in the other: each term is off by half a unit of the largest quotient.
    np.testing.assert_allclose(found.scale, by_s, atol=x.size * 256 * 2.0**-24)
    if symmetric:
        assert found.zero_point is None
    else:
        np.testing.assert_allclose(found.zero_point, by_z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spread", [1.0, 0.3], ids=["all within", "many saturated"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("format", ["int8", "int4", "int2"])
def test_lsq_gradients(format, granularity, spread):
    scheme = _scheme(format=format, granularity=granularity)
    upstream, x, tiling, params = _problem(scheme, spread=spread)
    by_x, by_s, _ = _expected(_lsq, upstream, x, scheme, tiling, params)
    sharing = np.zeros(tiling.grid)
    for at in np.ndindex(x.shape):
        sharing[tuple(index // extent for index, extent in zip(at, tiling.block, strict=True))] += 1
    found = lsq_derivatives(x, scheme, tiling, params).gradients(upstream)
    high = scheme.element.limits(scheme.narrow_range)[1]
    np.testing.assert_array_equal(found.values, by_x.astype(np.float32))
    np.testing.assert_allclose(found.scale, by_s / np.sqrt(sharing * high), atol=x.size * 256 * 2.0**-24)


@pytest.mark.parametrize(
    ("x", "passes"), [(127.4, True), (127.5, False), (-128.4, True), (-128.5, True), (-128.6, False), (0.0, True)]
)
def test_straight_through_asks_the_rounded_code(x, passes):
    """-128.5 rounds to -128, which is even and within; 127.5 to 128, which is not."""
    scheme = _scheme(narrow_range=False)
    values = np.array([[x]], dtype=np.float32)
    params = _params(np.ones((1, 1), dtype=np.float32))
    found = ste_derivatives(values, scheme, scheme.blocks.tiling((1, 1), 0), params).gradients(np.ones((1, 1)))
    assert bool(found.values[0, 0]) is passes


def test_lsq_asks_the_quotient():
    """7.4 with Q_P = 7: the paper's 7, not -0.4 as by the rounded code."""
    scheme = _scheme(format="int4")
    values, one = np.array([[7.4]], dtype=np.float32), np.ones((1, 1), dtype=np.float32)
    given = (values, scheme, scheme.blocks.tiling((1, 1), 0), _params(one))
    assert lsq_derivatives(*given).gradients(one).scale[0, 0] == pytest.approx(7 / math.sqrt(7))
    assert ste_derivatives(*given).gradients(one).scale[0, 0] == pytest.approx(-0.4, abs=1e-6)


def test_lsq_counts_the_elements_that_share_a_scale():
    """Per channel: those of the channel, not of the tensor. The last group is shorter."""
    scheme = _scheme(format="int4", granularity="per_group:3")
    tiling = scheme.blocks.tiling((2, 4), 0)
    params = _params(np.ones((2, 2), dtype=np.float32))
    found = lsq_derivatives(np.full((2, 4), 9.0), scheme, tiling, params).gradients(np.ones((2, 4)))
    np.testing.assert_allclose(found.scale, [[21 / math.sqrt(21), 7 / math.sqrt(7)]] * 2)


def test_lsq_starts_from_the_mean():
    scheme = _scheme(format="int4", granularity="per_channel")
    x = np.array([[1, -3, 2, 2], [0, 0, 0, 0]], dtype=np.float32)
    start = lsq_start(x, scheme, scheme.blocks.tiling(x.shape, 0))
    np.testing.assert_allclose(start, [[4 / math.sqrt(7)], [1]], rtol=1e-6)
    assert start.dtype == np.float32


@pytest.mark.parametrize("function", [ste_derivatives, lsq_derivatives])
def test_an_empty_tensor_and_an_infinite_quotient(function):
    scheme = _scheme()
    params = _params(np.full((1, 1), 1e-38, dtype=np.float32))
    empty = function(np.ones((0, 4)), scheme, scheme.blocks.tiling((0, 4), 0), params).gradients(np.ones((0, 4)))
    assert (empty.values.shape, empty.scale.tolist()) == ((0, 4), [[0.0]])
    x = np.array([[1e30, -1e30]], dtype=np.float32)
    found = function(x, scheme, scheme.blocks.tiling((1, 2), 0), params).gradients(np.ones((1, 2)))
    assert found.values.tolist() == [[0, 0]]
    assert np.isfinite(found.scale).all()


def test_what_has_no_such_gradients():
    one = np.ones((1, 1), dtype=np.float32)
    params = _params(one)
    float8, asymmetric = _scheme(format="fp8_e4m3"), _scheme(symmetric=False)
    with pytest.raises(SchemeError, match="must be of an integer format"):
        ste_derivatives(one, float8, float8.blocks.tiling((1, 1), 0), params)
    with pytest.raises(SchemeError, match="set symmetric: true"):
        lsq_derivatives(one, asymmetric, asymmetric.blocks.tiling((1, 1), 0), params)


def test_magnitudes_are_sums_of_absolute_values():
    scheme = _scheme(symmetric=False, granularity="per_group:32")
    upstream, x, tiling, params = _problem(scheme, spread=0.3)
    of = ste_derivatives(x, scheme, tiling, params)
    signs = np.sign(upstream) * np.sign(of.by_scale)
    np.testing.assert_allclose(of.magnitudes(upstream).scale, of.gradients(upstream * signs.astype(np.float32)).scale)
    assert (of.magnitudes(upstream).zero_point >= np.abs(of.gradients(upstream).zero_point)).all()

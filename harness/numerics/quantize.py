"""Quantize, dequantize, fake-quantize: the definitions that every kernel is held against.

``q = clamp(rint(x / s) + z, qmin, qmax)``, ``x̂ = (q - z) · s``; scales and quotients in f32 with IEEE division, ties to
even. Formats that are no integers have no zero point: ``q`` is the nearest code of ``x / s``, saturating.

NaN and Inf are never given a valid code silently: ``quantize`` refuses them, or, told to mask, quantizes 0 in their
place and remembers where they stood; ``dequantize`` gives NaN there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import NonFiniteError, SchemeError
from harness.numerics.calibrate import QuantParams, calibrate
from harness.numerics.granularity import Tiling
from harness.numerics.parallel import map_threads
from harness.numerics.scheme import OperandScheme

Float32 = NDArray[np.float32]
_CHUNK_ELEMENTS = 1 << 18  # 1 MiB of f32: temporaries stay in the second-level cache


@dataclass(frozen=True, eq=False)
class Quantized:
    """Codes (one an array element, shape of the tensor) with what is needed to read them.

    ``invalid`` marks where the tensor held NaN or Inf (None: nowhere).
    """

    codes: NDArray[Any]
    params: QuantParams
    scheme: OperandScheme
    tiling: Tiling
    invalid: NDArray[np.bool_] | None = None


def quantize(
    x: NDArray[Any],
    scheme: OperandScheme,
    *,
    channel_axis: int = 0,
    params: QuantParams | None = None,
    non_finite: Literal["raise", "mask"] = "raise",
) -> Quantized:
    """Quantize ``x`` (any shape up to four axes; taken as f32), calibrating unless ``params`` are given.

    Raises NonFiniteError for NaN or Inf unless ``non_finite="mask"``, SchemeError for a scheme that does not fit.
    """
    x = np.asarray(x, dtype=np.float32)
    if problem := scheme.problem(x.shape, channel_axis):
        raise SchemeError(f"quantize: the scheme must fit the tensor ({problem}, got {scheme.label} for {x.shape})")
    tiling = scheme.blocks.tiling(x.shape, channel_axis)
    finite = np.isfinite(x)
    invalid = None
    if not finite.all():
        if non_finite == "raise":
            count = int(x.size - np.count_nonzero(finite))
            raise NonFiniteError(
                f"quantize: the tensor must be finite (got {count} NaN or Inf among {x.size}); "
                'clean it, or pass non_finite="mask"'
            )
        invalid = ~finite
        x = np.where(finite, x, np.float32(0))
    params = params or calibrate(x, scheme, tiling)
    return Quantized(encode(x, scheme, tiling, params), params, scheme, tiling, invalid)


def encode(x: Float32, scheme: OperandScheme, tiling: Tiling, params: QuantParams) -> NDArray[Any]:
    """Codes of ``x`` (finite f32) under given parameters."""
    element = scheme.element
    shape, x = x.shape, _with_axis(x)
    codes = np.empty(x.shape, dtype=element.codes.dtype)
    scale, zero_point = _expanded(params, tiling)
    low, high = element.limits(scheme.narrow_range) if element.is_integer else (0, 0)

    def fill(part: tuple[slice, ...]) -> None:
        with np.errstate(over="ignore"):  # a quotient beyond f32 is Inf, which saturates
            scaled = x[part] / _part(scale, part)
        if not element.is_integer:
            codes[part] = element.encode(scaled)
            return
        np.rint(scaled, out=scaled)
        if zero_point is not None:
            scaled += _part(zero_point, part)
        codes[part] = np.clip(scaled, low, high, out=scaled)

    map_threads(fill, _chunks(x.shape))
    return codes.reshape(shape)


def dequantize(quantized: Quantized) -> Float32:
    """``(q - z) · s`` in f32; NaN where the tensor was not finite."""
    scale, zero_point = _expanded(quantized.params, quantized.tiling)
    codes = _with_axis(quantized.codes)
    out = np.empty(codes.shape, dtype=np.float32)

    def fill(part: tuple[slice, ...]) -> None:
        values = quantized.scheme.element.decode(codes[part])
        if zero_point is not None:
            values -= _part(zero_point, part)
        np.multiply(values, _part(scale, part), out=out[part])

    map_threads(fill, _chunks(out.shape))
    out = out.reshape(quantized.codes.shape)
    if quantized.invalid is not None:
        out[quantized.invalid] = np.nan
    return out


def fake_quantize(x: NDArray[Any], scheme: OperandScheme, *, channel_axis: int = 0) -> Float32:
    """Quantize and dequantize: the values that the codes stand for."""
    return dequantize(quantize(x, scheme, channel_axis=channel_axis))


def saturated(x: NDArray[Any], quantized: Quantized) -> NDArray[np.bool_]:
    """Where ``x / s + z`` lies more than half a code outside the range (NaN and Inf: False, they are counted apart)."""
    x = np.asarray(x, dtype=np.float32)
    shape, x = x.shape, _with_axis(x)
    scale, zero_point = _expanded(quantized.params, quantized.tiling)
    lowest, highest = outermost(quantized.scheme)
    outside = np.empty(x.shape, dtype=np.bool_)

    def fill(part: tuple[slice, ...]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = x[part] / _part(scale, part)
            if zero_point is not None:
                scaled += _part(zero_point, part)
            np.logical_or(scaled > highest, scaled < lowest, out=outside[part])

    map_threads(fill, _chunks(x.shape))
    outside = outside.reshape(shape)
    return outside if quantized.invalid is None else outside & ~quantized.invalid


def outermost(scheme: OperandScheme) -> tuple[float, float]:
    """(lowest, highest): half a code beyond the range, in units of the scale. What lies outside is saturated."""
    element = scheme.element
    if element.is_integer:
        low, high = element.limits(scheme.narrow_range)
        return low - 0.5, high + 0.5
    values = element.values
    return values[0] - (values[1] - values[0]) / 2, values[-1] + (values[-1] - values[-2]) / 2


def with_params(quantized: Quantized, codes: NDArray[Any]) -> Quantized:
    """The same parameters with other ``codes`` (a kernel's output), to be dequantized by the definition."""
    return dataclasses.replace(quantized, codes=codes)


def _with_axis(array: NDArray[Any]) -> NDArray[Any]:
    """A scalar's array gets an axis: NumPy's operations on arrays without one return no arrays."""
    return array.reshape(array.shape or (1,))


def _expanded(params: QuantParams, tiling: Tiling) -> tuple[Float32, Float32 | None]:
    """Scale and zero point (f32), such that they broadcast against the tensor."""
    scale = _with_axis(tiling.expand(params.scale))
    if params.zero_point is None:
        return scale, None
    return scale, _with_axis(tiling.expand(params.zero_point.astype(np.float32)))


def _chunks(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Slices along the first axis (and the second, where a row is large) of about ``_CHUNK_ELEMENTS`` each."""
    row = int(np.prod(shape[1:], dtype=np.int64))
    if row > _CHUNK_ELEMENTS and len(shape) > 1:
        inner = max(1, _CHUNK_ELEMENTS * shape[1] // row)
        return [
            (slice(first, first + 1), slice(start, start + inner))
            for first in range(shape[0])
            for start in range(0, shape[1], inner)
        ]
    step = max(1, _CHUNK_ELEMENTS // max(1, row))
    return [(slice(start, start + step),) for start in range(0, shape[0], step)]


def _part(grid: NDArray[Any], part: tuple[slice, ...]) -> NDArray[Any]:
    """The part of a broadcastable grid that goes with ``part`` of the tensor."""
    return grid[tuple(cut if grid.shape[axis] > 1 else slice(None) for axis, cut in enumerate(part))]

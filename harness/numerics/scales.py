"""Scale formats: how an amplitude becomes the scale that is stored. One row per format.

A scale is rounded to its format *before* codes are computed from it, and is never zero: below the format's declared
minimum it is that minimum. A block of zeros has scale 1 (its codes are exact zeros), unless the element format has no
zero (binary), where it takes the minimum.

Sources: OCP Microscaling Formats 1.0, 6.3 (e8m0, floor); the round-up rule (rceil) is the one of NVIDIA's MXFP8 recipe,
Mishra et al., arXiv 2506.08027; the two-level scale of NVFP4 is described in arXiv 2509.25149, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError, did_you_mean
from harness.numerics.formats import FORMATS, ElementFormat

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

E4M3_MAX = 448.0
E4M3_MIN = 2.0**-9
"""Declared minimum of a block's stored e4m3 scale: the smallest subnormal, so that no block divides by zero."""


@dataclass(frozen=True)
class ScaleFormat:
    """One scale format. ``minimum`` and ``maximum`` bound the stored value; ``nearest`` rounds f64 to it."""

    name: str
    bits: int
    minimum: float
    maximum: float
    nearest: Callable[[Float64], Float64]
    doc: str
    power_of_two: bool = False
    two_level: bool = False


@dataclass(frozen=True, eq=False)
class Scales:
    """``scale`` multiplies the codes (f32, one a block). Two-level formats store ``block_scale`` and ``global_scale``;
    ``scale`` is then their product, rounded to f32."""

    scale: Float32
    block_scale: Float32 | None = None
    global_scale: float | None = None


def round_to_bf16(x: Float32) -> Float32:
    """Nearest bfloat16 (ties to even) of finite f32 values, as f32."""
    pattern = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    rounded = (pattern + 0x7FFF + ((pattern >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def _nearest_f32(x: Float64) -> Float64:
    return x.astype(np.float32).astype(np.float64)


def _nearest_f16(x: Float64) -> Float64:
    return np.minimum(x, 65504.0).astype(np.float32).astype(np.float16).astype(np.float64)


def _nearest_bf16(x: Float64) -> Float64:
    return round_to_bf16(x.astype(np.float32)).astype(np.float64)


def power_of_two(exponent: NDArray[np.integer]) -> Float64:
    """2^exponent, the exponent kept within what e8m0 can hold."""
    values: Float64 = np.ldexp(1.0, np.clip(exponent, -127, 127))
    return values


def _nearest_power_of_two(x: Float64) -> Float64:
    mantissa, exponent = np.frexp(x)  # x = mantissa · 2^exponent, mantissa in [0.5, 1)
    return power_of_two(exponent - (mantissa < 0.75))


def _nearest_e4m3(x: Float64) -> Float64:
    row = FORMATS["fp8_e4m3"]
    values: Float64 = row.decode(row.encode(x.astype(np.float32))).astype(np.float64)
    return values


SMALLEST_NORMAL_F32 = 2.0**-126  # a subnormal scale would vanish on hardware that flushes subnormals to zero

SCALE_FORMATS: dict[str, ScaleFormat] = {
    row.name: row
    for row in (
        ScaleFormat("f32", 32, SMALLEST_NORMAL_F32, float(np.finfo(np.float32).max), _nearest_f32, "IEEE single"),
        ScaleFormat("f16", 16, 2.0**-24, 65504.0, _nearest_f16, "IEEE half"),
        ScaleFormat("bf16", 16, SMALLEST_NORMAL_F32, 3.3895313892515355e38, _nearest_bf16, "bfloat16"),
        ScaleFormat(
            "e8m0", 8, 2.0**-127, 2.0**127, _nearest_power_of_two, "OCP MX power of two, floor rule", power_of_two=True
        ),
        ScaleFormat(
            "e8m0_rceil", 8, 2.0**-127, 2.0**127, _nearest_power_of_two, "power of two, rounded up", power_of_two=True
        ),
        ScaleFormat(
            "e4m3", 8, E4M3_MIN, E4M3_MAX, _nearest_e4m3, "NVFP4: e4m3 a block under one f32 a tensor", two_level=True
        ),
    )
}


def scale_format(name: str) -> ScaleFormat:
    """The row of that name; raises SchemeError with the nearest known name."""
    try:
        return SCALE_FORMATS[name]
    except KeyError:
        raise SchemeError(
            f"scale_format: must be a known scale format (got {name!r}); {did_you_mean(name, SCALE_FORMATS)}"
        ) from None


def symmetric_scales(amplitude: Float32, element: ElementFormat, row: ScaleFormat) -> Scales:
    """Scales that map each block's ``amplitude`` (≥ 0, any shape) to the largest code value."""
    return _finish(amplitude, element.largest, element.emax, element, row)


def affine_scales(width: Float32 | Float64, levels: int, element: ElementFormat, row: ScaleFormat) -> Scales:
    """Scales that spread ``levels`` code steps over each block's range of ``width`` = max - min.

    Widths are f32, or f64 where a difference of two f32 does not fit one. The floor rule of e8m0 is stated for amplitudes; a range of width w is treated as the amplitude w/2.
    """
    return _finish(width, float(levels), element.bits - 1, element, row)


def _finish(extent: Float32 | Float64, steps: float, exponent: int, element: ElementFormat, row: ScaleFormat) -> Scales:
    zero = extent == 0
    if row.two_level:
        return _two_level(extent, zero, np.float32(steps), element)
    if row.power_of_two:
        stored = _power_of_two(extent, steps, exponent, round_up=row.name == "e8m0_rceil")
    else:
        stored = row.nearest((extent / np.float32(steps)).astype(np.float64))
    scale = np.clip(stored, row.minimum, row.maximum)
    scale = np.where(zero, 1.0 if 0.0 in element.values else row.minimum, scale)
    return Scales(scale.astype(np.float32))


def _power_of_two(extent: Float32 | Float64, steps: float, emax: int, round_up: bool) -> Float64:
    """2^(floor(log2 extent) - emax), or 2^ceil(log2(extent / steps)); exact, since frexp is."""
    if not round_up:
        return power_of_two(np.frexp(extent.astype(np.float64))[1] - 1 - emax)
    mantissa, exponent = np.frexp(extent.astype(np.float64) / steps)
    return power_of_two(exponent - (mantissa == 0.5))


def global_scale_of(extent: Float32 | Float64, steps: float) -> np.float32:
    """The f32 scale above the e4m3 block scales: largest extent / (448 · steps); 1 for a tensor of zeros."""
    top = extent.max() if extent.size else np.float32(0)
    scale = np.float32(top / np.float32(E4M3_MAX * steps))
    return np.float32(max(float(scale), SMALLEST_NORMAL_F32)) if top > 0 else np.float32(1.0)


def _two_level(extent: Float32 | Float64, zero: NDArray[np.bool_], steps: np.float32, element: ElementFormat) -> Scales:
    whole = global_scale_of(extent, float(steps))
    wanted = np.clip(extent / steps / whole, np.float32(E4M3_MIN), np.float32(E4M3_MAX))
    block = _nearest_e4m3(wanted.astype(np.float64)).astype(np.float32)
    block = np.where(zero, np.float32(1.0 if 0.0 in element.values else E4M3_MIN), block).astype(np.float32)
    return Scales((block * whole).astype(np.float32), block, float(whole))

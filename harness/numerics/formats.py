"""Element formats: what each code of a number format means. One row per format.

A format of 8 bits or fewer is its list of finite values. Encoding is round-to-nearest, ties to the even code,
saturating at the ends; NaN and Inf never reach it (``quantize`` masks or refuses them). Integers are encoded by
``rint`` and ``clip``; every other format by comparing with the midpoints between neighbouring values.

Sources: OCP 8-bit Floating Point Specification 1.0 (e4m3fn, e5m2); OCP Microscaling Formats 1.0 (fp6, fp4, e8m0);
Dettmers et al., QLoRA, arXiv 2305.14314, appendix E (nf4).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError, did_you_mean

Kind = Literal["int", "uint", "ternary", "binary", "float", "table"]
Codes = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ElementFormat:
    """One number format of at most 8 bits.

    ``codes`` are all codes of finite values and ``values`` what they mean at scale 1, both ascending by value (of a
    float format's two zeros only +0 is listed). Integer codes are the integers themselves; float and table codes are
    bit patterns, one a byte. ``bits`` is the packed width.
    """

    name: str
    bits: int
    kind: Kind
    codes: Codes
    values: NDArray[np.float64]
    doc: str
    sign_bit: int = field(default=0)
    """Of sign-magnitude formats the mask of the sign bit, else 0."""
    exponent_bits: int = field(default=0)
    """Of float formats, else 0; the bits that are neither these nor the sign are the mantissa's."""

    @property
    def largest(self) -> float:
        """Largest code value: an amplitude A has the scale ``A / largest``."""
        return float(self.values[-1])

    @property
    def emax(self) -> int:
        """Exponent that a power-of-two scale reserves for the element (OCP MX 1.0, 5.2; integers of N bits: N-2)."""
        if self.is_integer:
            return self.bits - 2
        return math.frexp(self.largest)[1] - 1

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def signed(self) -> bool:
        return bool(self.values[0] < 0)

    @property
    def levels(self) -> int:
        """Number of codes."""
        return len(self.codes)

    def limits(self, narrow_range: bool = False) -> tuple[int, int]:
        """(qmin, qmax) of an integer format; narrow range drops the most negative code."""
        if not self.is_integer:
            raise SchemeError(f"limits: {self.name} is not an integer format (got {self.kind}); use values")
        return int(self.values[0]) + (1 if narrow_range else 0), int(self.values[-1])

    def magnitudes(self, narrow_range: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Magnitudes that x ≥ 0 and x < 0 may take, ascending, in units of the scale."""
        values = self.values[1:] if narrow_range else self.values
        positive = values[values >= 0]
        negative = -values[values <= 0][::-1]
        return positive, negative if negative.size else positive[:1]

    @functools.cached_property
    def thresholds(self) -> NDArray[np.float32]:
        """``values[i + 1]`` is chosen from ``thresholds[i]`` (included) upwards; a tie goes to the even code."""
        middle = (self.values[:-1] + self.values[1:]) / 2
        rounded = middle.astype(np.float32)
        # A midpoint that f32 cannot hold can be no tie: the next f32 above it is where the upper code begins.
        first = np.where(rounded < middle, np.nextafter(rounded, np.float32(np.inf)), rounded)
        tie_goes_up = (self.codes[1:].astype(np.int64) & 1) == 0
        if self.kind == "binary":
            tie_goes_up = np.ones(1, dtype=bool)  # 0 → +1
        elif self.kind == "ternary":
            tie_goes_up = np.array([True, False])  # ±0.5 → 0
        elif self.sign_bit:
            tie_goes_up = np.where(middle < 0, (self.codes[:-1].astype(np.int64) & 1) != 0, tie_goes_up)
        exact = rounded.astype(np.float64) == middle
        return np.where(exact & ~tie_goes_up, np.nextafter(rounded, np.float32(np.inf)), first).astype(np.float32)

    @functools.cached_property
    def _table(self) -> Codes | None:
        """Code of every f32 whose lower 16 bits are zero; None where 16 bits cannot tell the thresholds apart.

        The lowest index bit also stands for "some lower bit is set" (sticky), so no threshold may use it.
        """
        edges = (self.values[:-1] + self.values[1:]) / 2
        if np.any(edges.astype(np.float32) != edges) or np.any(edges.astype(np.float32).view(np.uint32) & 0x1FFFF):
            return None
        samples = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
        return self._encode_by_search(np.nan_to_num(samples, nan=0.0))

    @functools.cached_property
    def _cells(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        """For the f32 that share their upper 16 bits (a cell): how many thresholds lie below the cell, and the one
        inside it (NaN: none). None where a cell holds two."""
        cell = self.thresholds.view(np.uint32) >> 16
        if len(np.unique(cell)) < len(cell):
            return None
        inside = np.full(1 << 16, np.nan, dtype=np.float32)
        inside[cell] = self.thresholds
        upper = np.arange(1 << 16, dtype=np.uint32) << 16
        smallest = np.where(upper >> 31, upper | 0xFFFF, upper).astype(np.uint32).view(np.float32)
        below = np.searchsorted(self.thresholds, np.nan_to_num(smallest, nan=-np.inf, posinf=np.inf, neginf=-np.inf))
        return below.astype(np.uint8), inside

    def _encode_by_cell(self, y: NDArray[np.float32]) -> Codes:
        """As by search, with two look-ups in place of a bisection for each element."""
        if self._cells is None:
            return self._encode_by_search(y)
        below, inside = self._cells
        cell = (y.view(np.uint32) >> 16).astype(np.uint16)
        index = below[cell]
        index += y >= inside[cell]  # never so for NaN
        return self.codes[index]

    def _encode_by_search(self, y: NDArray[np.float32]) -> Codes:
        codes = self.codes[np.searchsorted(self.thresholds, y, side="right")]
        if self.sign_bit:
            # Values that round to zero keep their sign, as every hardware conversion does.
            zero = codes == self.codes[np.searchsorted(self.values, 0.0)]
            codes = np.where(zero & np.signbit(y), self.sign_bit, codes).astype(self.codes.dtype)
        return codes

    def encode(self, y: NDArray[np.float32]) -> Codes:
        """Codes of the scaled values ``y`` (any shape, finite, f32): nearest, ties to even, saturating."""
        y = np.ascontiguousarray(y, dtype=np.float32)
        if self.is_integer:
            low, high = self.limits()
            rounded = np.rint(y)
            return np.clip(rounded, low, high, out=rounded).astype(self.codes.dtype)
        if self._table is None:
            return self._encode_by_search(y) if self.sign_bit else self._encode_by_cell(y)
        pattern = y.view(np.uint32)
        index = (pattern >> 16).astype(np.uint16)
        index |= (pattern & 0xFFFF) != 0
        return self._table[index]

    @functools.cached_property
    def _decode_table(self) -> NDArray[np.float32]:
        table = np.full(256, np.nan, dtype=np.float32)
        table[self.codes.astype(np.uint8)] = self.values
        if self.sign_bit:
            table[self.sign_bit] = -0.0
        return table

    def decode(self, codes: Codes) -> NDArray[np.float32]:
        """Values at scale 1 of ``codes``; a code that is none of the format's finite ones gives NaN."""
        if self.is_integer:
            return codes.astype(np.float32)
        return self._decode_table[codes.view(np.uint8)]


def _integer(bits: int, signed: bool) -> ElementFormat:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    name = f"int{bits}" if signed else f"uint{bits}"
    dtype = np.int8 if signed else np.uint8
    values = np.arange(low, high + 1)
    doc = f"{'signed' if signed else 'unsigned'} integer, {low} … {high}"
    return ElementFormat(name, bits, "int" if signed else "uint", values.astype(dtype), values.astype(np.float64), doc)


def _minifloat(name: str, exponent_bits: int, mantissa_bits: int, specials: str, doc: str) -> ElementFormat:
    """A sign-magnitude float with subnormals; ``specials``: ``none``, ``nan`` (top code) or ``ieee`` (top exponent)."""
    bias = (1 << exponent_bits - 1) - 1
    magnitudes = np.arange(1 << exponent_bits + mantissa_bits)
    exponent, mantissa = magnitudes >> mantissa_bits, magnitudes & ((1 << mantissa_bits) - 1)
    fraction = mantissa / (1 << mantissa_bits)
    values = np.where(exponent == 0, fraction * 2.0 ** (1 - bias), (1 + fraction) * 2.0 ** (exponent - bias))
    if specials == "nan":
        magnitudes, values = magnitudes[:-1], values[:-1]
    elif specials == "ieee":
        keep = exponent < (1 << exponent_bits) - 1
        magnitudes, values = magnitudes[keep], values[keep]
    sign = 1 << exponent_bits + mantissa_bits
    codes = np.concatenate([(magnitudes[:0:-1] | sign), magnitudes]).astype(np.uint8)
    both = np.concatenate([-values[:0:-1], values])
    return ElementFormat(name, 1 + exponent_bits + mantissa_bits, "float", codes, both, doc, sign, exponent_bits)


NF4_VALUES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""The 16 quantiles of a normal distribution that QLoRA's appendix E tabulates."""


def _listed(name: str, bits: int, kind: Kind, values: tuple[float, ...], codes: Codes, doc: str) -> ElementFormat:
    return ElementFormat(name, bits, kind, codes, np.array(values, dtype=np.float64), doc)


FORMATS: dict[str, ElementFormat] = {
    row.name: row
    for row in (
        *(_integer(bits, signed=True) for bits in range(2, 9)),
        *(_integer(bits, signed=False) for bits in range(2, 9)),
        _listed("ternary", 2, "ternary", (-1, 0, 1), np.array([-1, 0, 1], np.int8), "-1, 0, +1"),
        _listed("binary", 1, "binary", (-1, 1), np.array([-1, 1], np.int8), "±1; 0 becomes +1"),
        _minifloat("fp8_e4m3", 4, 3, "nan", "OCP FP8 E4M3 (fn: no infinity), ±448"),
        _minifloat("fp8_e5m2", 5, 2, "ieee", "OCP FP8 E5M2, ±57344"),
        _minifloat("fp6_e2m3", 2, 3, "none", "OCP MX FP6 E2M3, ±7.5"),
        _minifloat("fp6_e3m2", 3, 2, "none", "OCP MX FP6 E3M2, ±28"),
        _minifloat("fp4_e2m1", 2, 1, "none", "OCP MX FP4 E2M1, ±6"),
        _listed("nf4", 4, "table", NF4_VALUES, np.arange(16, dtype=np.uint8), "NormalFloat 4 (QLoRA), largest 1"),
    )
}


def element_format(name: str) -> ElementFormat:
    """The row of that name; raises SchemeError with the nearest known name."""
    try:
        return FORMATS[name]
    except KeyError:
        raise SchemeError(
            f"format: must be a known element format (got {name!r}); {did_you_mean(name, FORMATS)}"
        ) from None

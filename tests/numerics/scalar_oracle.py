"""Element formats once more, in exact arithmetic and one value at a time: plain Python, nothing of the harness.

Floats are read bit by bit from their layout (OCP FP8 1.0, OCP MX 1.0), NF4 from QLoRA's table (arXiv 2305.14314,
appendix E). Rounding is to the nearest value, ties to the even code, saturating.
"""

from __future__ import annotations

import bisect
import math
import struct
from dataclasses import dataclass
from fractions import Fraction

NF4 = (
    "-1.0",
    "-0.6961928009986877",
    "-0.5250730514526367",
    "-0.39491748809814453",
    "-0.28444138169288635",
    "-0.18477343022823334",
    "-0.09105003625154495",
    "0.0",
    "0.07958029955625534",
    "0.16093020141124725",
    "0.24611230194568634",
    "0.33791524171829224",
    "0.44070982933044434",
    "0.5626170039176941",
    "0.7229568362236023",
    "1.0",
)


@dataclass(frozen=True)
class ScalarFormat:
    """``values`` ascending with the ``codes`` that stand for them; ``minus_zero`` is the code of -0, if there is one."""

    name: str
    bits: int
    values: tuple[Fraction, ...]
    codes: tuple[int, ...]
    minus_zero: int | None = None

    def code(self, y: float) -> int:
        """The code nearest to ``y`` (a finite f32 given as a Python float)."""
        code = self.codes[self._nearest(Fraction(y))]
        if self.minus_zero is not None and code == 0 and math.copysign(1.0, y) < 0:
            return self.minus_zero
        return code

    def _nearest(self, y: Fraction) -> int:
        upper = bisect.bisect_left(self.values, y)
        if upper == 0:
            return 0
        if upper == len(self.values):
            return upper - 1
        below, above = y - self.values[upper - 1], self.values[upper] - y
        if below != above:
            return upper if above < below else upper - 1
        if self.name == "binary":
            return upper  # the tie at 0 is +1
        return upper if self.codes[upper] % 2 == 0 else upper - 1

    def value(self, code: int) -> Fraction:
        return Fraction(0) if code == self.minus_zero else self.values[self.codes.index(code)]


def _integer(name: str, bits: int) -> ScalarFormat:
    codes = range(2**bits) if name.startswith("u") else range(-(2 ** (bits - 1)), 2 ** (bits - 1))
    return ScalarFormat(name, bits, tuple(Fraction(code) for code in codes), tuple(codes))


def _float(name: str, exponent_bits: int, mantissa_bits: int, not_finite: frozenset[int]) -> ScalarFormat:
    bits = 1 + exponent_bits + mantissa_bits
    sign_bit = 1 << (bits - 1)
    bias = 2 ** (exponent_bits - 1) - 1
    meaning: dict[Fraction, int] = {}
    for pattern in range(2**bits):
        if pattern in not_finite or pattern == sign_bit:
            continue
        exponent = (pattern >> mantissa_bits) % 2**exponent_bits
        fraction = Fraction(pattern % 2**mantissa_bits, 2**mantissa_bits)
        power = Fraction(2) ** (exponent - bias if exponent else 1 - bias)
        magnitude = power * (fraction + 1 if exponent else fraction)
        meaning[-magnitude if pattern & sign_bit else magnitude] = pattern
    values = tuple(sorted(meaning))
    return ScalarFormat(name, bits, values, tuple(meaning[value] for value in values), minus_zero=sign_bit)


def _listed(name: str, bits: int, values: list[Fraction], codes: tuple[int, ...]) -> ScalarFormat:
    return ScalarFormat(name, bits, tuple(values), codes)


SCALAR_FORMATS: dict[str, ScalarFormat] = {
    row.name: row
    for row in (
        *(_integer(f"int{bits}", bits) for bits in range(2, 9)),
        *(_integer(f"uint{bits}", bits) for bits in range(2, 9)),
        _listed("ternary", 2, [Fraction(v) for v in (-1, 0, 1)], (-1, 0, 1)),
        _listed("binary", 1, [Fraction(v) for v in (-1, 1)], (-1, 1)),
        _float("fp8_e4m3", 4, 3, frozenset({0x7F, 0xFF})),
        _float("fp8_e5m2", 5, 2, frozenset({*range(0x7C, 0x80), *range(0xFC, 0x100)})),
        _float("fp6_e2m3", 2, 3, frozenset()),
        _float("fp6_e3m2", 3, 2, frozenset()),
        _float("fp4_e2m1", 2, 1, frozenset()),
        _listed("nf4", 4, [Fraction(float(text)) for text in NF4], tuple(range(16))),
    )
}


def half_to_even(x: Fraction) -> int:
    """The nearest integer; Python rounds a Fraction half to even."""
    return round(x)


def floor_log2(x: Fraction) -> int:
    """floor(log2 x) of x > 0, by comparison alone."""
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= x else exponent - 1


def nearest_binary(x: Fraction, precision: int, smallest_exponent: int, largest: Fraction) -> Fraction:
    """``x`` rounded half to even to a binary float of ``precision`` significant bits, with gradual underflow below
    2^``smallest_exponent``; raises OverflowError beyond ``largest``."""
    if x == 0:
        return x
    quantum = Fraction(2) ** (max(floor_log2(abs(x)), smallest_exponent) - precision + 1)
    rounded = half_to_even(x / quantum) * quantum
    if abs(rounded) > largest:
        raise OverflowError(f"{x} is beyond {float(largest)}")
    return rounded


LARGEST_F32 = Fraction(2) ** 128 - Fraction(2) ** 104


def nearest_f32(x: Fraction) -> Fraction:
    """``x`` rounded to IEEE single."""
    return nearest_binary(x, 24, -126, LARGEST_F32)


def f32_neighbours(x: float) -> list[float]:
    """The f32 nearest to ``x``, the one below and the one above it."""
    (pattern,) = struct.unpack("<i", struct.pack("<f", x))
    # Sign and magnitude to a number line of integers, so that the neighbour is one step away even across zero.
    place = pattern if pattern >= 0 else -(pattern & 0x7FFFFFFF)
    line = (place - 1, place, place + 1)
    patterns = [step if step >= 0 else -step - 2**31 for step in line]
    floats = [struct.unpack("<f", struct.pack("<i", step))[0] for step in patterns]
    return [value for value in floats if math.isfinite(value)]


def telling_points(row: ScalarFormat) -> list[float]:
    """f32 values that tell a right encoder from a wrong one: every value and every midpoint of neighbours, each with
    the f32 on both sides; both zeros; the smallest and the largest f32; around and far beyond both ends."""
    middles = [(low + high) / 2 for low, high in zip(row.values, row.values[1:], strict=False)]
    ends = [end * factor for end in (row.values[0], row.values[-1]) for factor in (Fraction(17, 16), 2, 1000)]
    points = [float(x) for x in (*row.values, *middles, *ends)]
    extremes = [0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-126, -(2.0**-126), 3.4028234663852886e38]
    return [*extremes, -3.4028234663852886e38, *(near for x in points for near in f32_neighbours(x))]

"""Values as text for readers, and text made safe for Plotly, which renders a subset of HTML in every label."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from harness.report.columns import Kind

MISSING = "–"
INFINITY = "∞"

_PREFIXES: tuple[tuple[float, str], ...] = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
)
_UNITS: dict[Kind, str] = {
    Kind.SECONDS: "s",
    Kind.BYTES: "B",
    Kind.FLOPS: "FLOP",
    Kind.BYTES_PER_SECOND: "B/s",
    Kind.FLOPS_PER_SECOND: "FLOP/s",
    Kind.HERTZ: "Hz",
    Kind.WATTS: "W",
    Kind.JOULES: "J",
}
_HOVER_CHUNK = re.compile(r"\S.{0,42}(?=[\s/|,;:_=-]|$)|\S.{0,42}")


def with_prefix(value: float, unit: str) -> str:
    """``value`` in three significant digits with the SI prefix that leaves 1 to 999 before the point."""
    if value == 0:
        return f"0 {unit}"
    # Rounding first: 999.96 µs is 1.00 ms, not 1000 µs.
    rounded = float(f"{value:.2e}")
    scale, prefix = _prefix(rounded)
    return f"{_three_digits(rounded / scale)} {prefix}{unit}"


def tick(value: float, unit: str) -> str:
    """``value`` as the label of a tick: an SI prefix, and no more digits than it has."""
    if unit == "×":
        return f"{value:g}×"
    scale, prefix = _prefix(value)
    return f"{value / scale:.3g} {prefix}{unit}"


def _prefix(value: float) -> tuple[float, str]:
    return next((row for row in _PREFIXES if abs(value) >= row[0] * (1 - 1e-9)), _PREFIXES[-1])


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    decimals = 2 if magnitude < 10 else 1 if magnitude < 100 else 0
    return f"{value:.{decimals}f}"


def number(value: float | None, kind: Kind) -> str:
    """``value`` for a table or a hover: null is an en dash, infinity is ∞, times and rates carry an SI prefix."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return INFINITY if value > 0 else f"−{INFINITY}"
    if kind in _UNITS:
        return with_prefix(value, _UNITS[kind])
    match kind:
        case Kind.DECIBEL:
            return f"{value:.1f} dB"
        case Kind.FRACTION:
            return f"{100 * value:.3g} %"
        case Kind.RATIO:
            return f"{value:.3g}×" if abs(value) < 1000 else f"{value:.0f}×"
        case Kind.INTEGER:
            return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}".replace(",", "\u202f")
        case Kind.BITS:
            return f"{value:.4g}"
        case _:
            return f"{value:.4g}"


def numbers(values: Iterable[float], kind: Kind) -> list[str]:
    """``number`` of each of ``values``."""
    return [number(value, kind) for value in values]


def for_plotly(text: str) -> str:
    """``text`` that Plotly shows as it stands.

    Plotly interprets ``<b>``, ``<a href>``, ``<br>`` and entities in labels, legends and hovers.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# The same names come back in every figure.
@lru_cache(maxsize=65536)
def for_hover(text: str) -> str:
    """``text`` made safe and broken into lines, since Plotly does not wrap hovers."""
    return "<br>".join(for_plotly(chunk) for chunk in _HOVER_CHUNK.findall(text)) or MISSING


def shortened(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters; what was cut shows as an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

"""Figures as people read them."""

from __future__ import annotations

import math
from typing import Any

_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
ABSENT = "–"


def missing(value: Any) -> bool:
    """None, NaN or a null of pandas."""
    return value is None or value != value or type(value).__name__ == "NAType"


def seconds(value: Any) -> str:
    """``1.23 ms``."""
    if missing(value):
        return ABSENT
    for unit, name in _TIME_UNITS:
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return "0 s" if value == 0 else f"{value / 1e-9:.3g} ns"


def decibels(value: Any) -> str:
    """``31.2 dB``; ``exact`` for an error of zero."""
    if missing(value):
        return ABSENT
    if math.isinf(value):
        return "exact" if value > 0 else "-∞ dB"
    return f"{value:.1f} dB"


def ratio(value: Any) -> str:
    """``1.85×``."""
    return ABSENT if missing(value) else f"{value:.2f}×"


def size(count: int) -> str:
    """``14.2 MiB``."""
    value = float(count)
    for unit in _BYTE_UNITS:
        if value < 1024 or unit == _BYTE_UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")

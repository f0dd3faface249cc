"""How values are shown in messages: short, and in YAML's words."""

from __future__ import annotations

from typing import Any

SHOWN = 60
MAX_MESSAGE = 700


def shown(value: Any) -> str:
    """``value`` as it goes into ``(got …)``: at most about 60 characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, str | int | float):
        return shorten(repr(value), SHOWN)
    return f"a value of type {type(value).__name__}"


def shorten(text: str, length: int = MAX_MESSAGE) -> str:
    """``text``, its middle left out where it is too long to be read."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"

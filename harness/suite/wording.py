"""How values are shown in messages: short, and in YAML's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.errors import did_you_mean

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


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the known ones that it begins, or else the one that is spelled most like it."""
    known = tuple(known)
    longer = sorted(each for each in known if name and each.startswith(name))
    if 1 < len(longer) <= 4:
        return f"did you mean {', '.join(longer[:-1])} or {longer[-1]}?"
    return f"did you mean {longer[0]}?" if len(longer) == 1 else did_you_mean(name, known)

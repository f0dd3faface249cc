"""Scalars of YAML: what an unquoted word means.

YAML 1.1's readings that surprise people are left out: ``1:30`` is text and not ninety, ``010`` is text and not eight,
dates stay text; and ``1e-3`` is a number although it has no dot. ``yes``, ``no``, ``on`` and ``off`` are booleans as in
YAML 1.1 (10.2, https://yaml.org/spec/1.1/ and the types at https://yaml.org/type/).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Scalar = str | int | float | bool | None

MAX_DIGITS = 20
"""Of a whole number: what 64 bits hold. Longer ones are mistakes, and slow to convert and to show."""

_TYPES: dict[str, type] = {"null": type(None), "bool": bool, "int": int, "float": float}
_TRUE = frozenset({"true", "yes", "on"})


def _whole(text: str) -> int:
    digits = text.replace("_", "")
    if len(digits.lstrip("+-")) > MAX_DIGITS:
        raise ValueError(f"a whole number has at most {MAX_DIGITS} digits")
    return int(digits, 0)


def _real(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _null(text: str) -> None:
    return None


@dataclass(frozen=True)
class Kind:
    """One row of the table: unquoted text that matches ``pattern`` as a whole is read by ``construct``."""

    pattern: re.Pattern[str]
    construct: Callable[[str], Scalar]


def _kind(pattern: str, construct: Callable[[str], Scalar]) -> Kind:
    return Kind(re.compile(pattern, re.ASCII), construct)


KINDS: tuple[Kind, ...] = (
    _kind(r"|~|null|Null|NULL", _null),
    _kind(
        r"(?:t|T)rue|TRUE|(?:f|F)alse|FALSE|(?:y|Y)es|YES|(?:n|N)o|NO|(?:o|O)n|ON|(?:o|O)ff|OFF",
        lambda text: text.lower() in _TRUE,
    ),
    _kind(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]*[0-9a-fA-F]|0o[0-7]+|0b[01]+)", _whole),
    _kind(r"[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)", _real),
    _kind(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", lambda text: _real(text.lower())),
)


def resolve(text: str) -> Scalar:
    """The value of unquoted ``text``. Raises ValueError for a whole number of too many digits."""
    for kind in KINDS:
        if kind.pattern.fullmatch(text):
            return kind.construct(text)
    return text


def construct(tag: str, text: str) -> Scalar:
    """The value of ``text`` under the tag ``!!str``, ``!!int``, …; raises ValueError where it is no such value."""
    if tag == "str":
        return text
    value = resolve(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[tag]:
        raise ValueError(f"not a valid {tag}")
    return value

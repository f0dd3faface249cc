"""What pydantic finds wrong → messages with line and column, rule, what was got, and remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import SuiteError
from harness.suite.compose import Location
from harness.suite.document import Document
from harness.suite.model import known_keys
from harness.suite.sources import UNKNOWN_KEY
from harness.suite.wording import nearest, shown

SHOWN_PROBLEMS = 10

_NUMBER = "write a number in its range"
_RULES: dict[str, tuple[str, str]] = {
    "int_type": ("must be a whole number", "write digits, without quotes"),
    "float_type": ("must be a number", "write it without quotes"),
    "bool_type": ("must be true or false", "write one of them, without quotes"),
    "string_type": ("must be text", "put it in quotes"),
    "list_type": ("must be a list", "write [a, b] or lines that begin with -"),
    "model_type": ("must be a mapping", "write lines of key: value"),
    "greater_than_equal": ("must be at least {ge}", _NUMBER),
    "greater_than": ("must be greater than {gt}", _NUMBER),
    "less_than_equal": ("must be at most {le}", _NUMBER),
    "less_than": ("must be less than {lt}", _NUMBER),
    "finite_number": ("must be finite", _NUMBER),
    "too_short": ("needs at least {min_length} value(s)", "add one"),
    "too_long": ("takes at most {max_length} values", "drop some, or write several suites"),
    "literal_error": ("must be {expected}", "write one of these"),
}
"""Type of pydantic's problem → rule, remedy."""


def explain(document: Document, model: Any, problems: list[Any]) -> SuiteError:
    """One error for all ``problems`` that pydantic's ``model`` has with the file, the first ones in words."""
    lines = [_line(document, model, problem) for problem in problems[:SHOWN_PROBLEMS]]
    return together(lines, len(problems))


def together(lines: list[str], count: int) -> SuiteError:
    """The error of ``count`` problems, of which ``lines`` are shown; each starts with ``file:line:column:``."""
    more = [f"… and {count - len(lines)} more"] if count > len(lines) else []
    return SuiteError("\n".join(lines + more))


def _line(document: Document, model: Any, problem: Mapping[str, Any]) -> str:
    location: Location = tuple(problem["loc"])
    kind = problem["type"]
    if kind in _WITH_KEYS:
        return _WITH_KEYS[kind](document, model, location, problem)
    message = problem["msg"].removeprefix("Value error, ")
    if kind in _RULES:
        rule, remedy = _RULES[kind]
        message = f"{_filled(rule, problem)} (got {shown(problem['input'])}); {remedy}"
    elif "(got" not in message:
        rule, _, remedy = message.partition("; ")
        message = f"{rule} (got {shown(problem['input'])}); {remedy or 'change it'}"
    elif message.endswith(")"):
        message += "; change it"
    return str(document.error(location, message))


def _filled(rule: str, problem: Mapping[str, Any]) -> str:
    limits = problem.get("ctx", {}).items()
    return rule.format(**{name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in limits})


def _unknown(document: Document, model: Any, location: Location, problem: Mapping[str, Any]) -> str:
    key = str(location[-1])
    message = f"unknown key (got {shown(key)}); {nearest(key, known_keys(model, location[:-1]))}"
    return str(document.error(location, message, key=True))


def _unknown_parameter(document: Document, model: Any, location: Location, problem: Mapping[str, Any]) -> str:
    return str(document.error(location, problem["msg"], key=True))


def _missing(document: Document, model: Any, location: Location, problem: Mapping[str, Any]) -> str:
    given = problem["input"]
    got = ", ".join(map(str, given)) if isinstance(given, dict) and given else "no keys"
    return str(document.error(location[:-1], f"{location[-1]} is missing (got {shown(got)[1:-1]}); add it"))


_WITH_KEYS: dict[str, Callable[[Document, Any, Location, Mapping[str, Any]], str]] = {
    "extra_forbidden": _unknown,
    UNKNOWN_KEY: _unknown_parameter,
    "missing": _missing,
}

"""Suite files, policies and mappings → plain values with their positions. The only reader of YAML."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.errors import SuiteError
from harness.suite.compose import MAX_DEPTH, MAX_NODES, TOO_DEEP, Location, Position, compose
from harness.suite.wording import shorten, shown

MAX_BYTES = 1 << 20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile("\r\n|\r|\n")
# YAML 1.1, 5.1; a byte order mark belongs at the very beginning only.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """A parsed file: ``value`` is made of dict, list, str, int, float and bool.

    ``positions`` gives (line, column), counted from 1, of the value at a path; ``keys`` of a mapping's key.
    """

    name: str
    value: dict[str, Any]
    positions: Mapping[Location, Position] = field(default_factory=dict)
    keys: Mapping[Location, Position] = field(default_factory=dict)

    def at(self, location: Location, *, key: bool = False) -> str:
        """``file:line:column:`` of the value at ``location``, or of its key; else of the nearest that holds it."""
        if key and location in self.keys:
            line, column = self.keys[location]
        else:
            while location and location not in self.positions:
                location = location[:-1]
            line, column = self.positions.get(location, (1, 1))
        return f"{self.name}:{line}:{column}:"

    def error(self, location: Location, message: str, *, key: bool = False) -> SuiteError:
        """A SuiteError whose message starts with ``file:line:column: where:``."""
        place = ".".join(str(step) for step in location)
        text = shorten(f"{place}: {message}" if place else message)
        return SuiteError(f"{self.at(location, key=key)} {text}")


def read_document(path: Path) -> Document:
    """The YAML file at ``path``; raises SuiteError starting with ``file:line:column:`` for anything unreadable."""
    data = _read(path).removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        rule = f"a suite is UTF-8 text (got byte 0x{data[error.start]:02x})"
        raise _error(str(path), _position(before), f"{rule}; is this a YAML file?") from None
    return parse_document(text, str(path))


def _read(path: Path) -> bytes:
    start = (1, 1)
    try:
        if path.is_dir():
            rule = "a suite is a YAML file (got a directory)"
            raise _error(str(path), start, f"{rule}; name one of the files in it")
        if path.exists() and not path.is_file():
            rule = "a suite is a regular file (got a device or a pipe)"
            raise _error(str(path), start, f"{rule}; name a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(str(path), start, f"a suite must be readable (got: {reason}); check the path") from None
    if len(data) > MAX_BYTES:
        rule = f"a suite has at most {MAX_BYTES} bytes (got more)"
        raise _error(str(path), start, f"{rule}; split it into several suites")
    return data


def parse_document(text: str, name: str) -> Document:
    """Parse YAML ``text``; ``name`` stands for the file in messages. Raises SuiteError."""
    if found := _UNPRINTABLE.search(text):
        rule = f"a suite is printable text (got the character U+{ord(found[0]):04X})"
        raise _error(name, _position(text[: found.start()]), f"{rule}; is this a YAML file?")
    try:
        composed = compose(yaml.parse(text, Loader=_Loader), name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "no more is known"
        if "nesting depth" in problem:  # the parser's own limit, far above this one: it reads ahead
            raise _error(name, position, TOO_DEEP) from None
        raise _error(name, position, f"must be valid YAML (got: {problem}); mend the syntax there") from None
    except yaml.YAMLError as error:
        raise _error(name, (1, 1), f"must be valid YAML (got: {shown(str(error))}); mend the syntax") from None
    return Document(name, composed.value, composed.positions, composed.keys)


def document_of(mapping: Mapping[Any, Any]) -> Document:
    """A suite given as a mapping: the same values as in a file, tuples and NumPy's numbers taken as lists and numbers.

    Raises SuiteError, positions all 1:1, for other values and for what nests too deep or itself.
    """
    document = Document("<mapping>", {})
    return Document(document.name, _Plain(document).value(mapping, ()))


@dataclass
class _Plain:
    document: Document
    nodes: int = 0

    def value(self, value: Any, path: Location) -> Any:
        self.nodes += 1
        if len(path) > MAX_DEPTH or self.nodes > MAX_NODES:
            rule = f"a suite nests at most {MAX_DEPTH} levels and holds at most {MAX_NODES} values (got more)"
            raise self.document.error(path[:3], f"{rule}; flatten or split it")
        if isinstance(value, np.generic):
            value = value.item()
        match value:
            case Mapping():
                return {self._key(key, path): self.value(inner, (*path, str(key))) for key, inner in value.items()}
            case list() | tuple() | range():
                return [self.value(inner, (*path, index)) for index, inner in enumerate(value)]
            case str():
                return str(value)
            case bool() | float():
                return value
            case int() if abs(value) < 1 << 64:
                return int(value)
            case None:
                raise self.document.error(path, "needs a value (got None); leave the key out")
        got = "a whole number of more than 64 bits" if isinstance(value, int) else f"a {type(value).__name__}"
        rule = f"must be text, a number, a boolean, a list or a mapping (got {got})"
        raise self.document.error(path, f"{rule}; write it as the file would")

    def _key(self, key: Any, path: Location) -> str:
        if not isinstance(key, str):
            raise self.document.error(path, f"a key is text (got a {type(key).__name__}); write it as text")
        return str(key)


def _position(before: str) -> Position:
    """Line and column of what follows the text ``before``."""
    *lines, last = _BREAK.split(before)
    return len(lines) + 1, len(last) + 1


def _error(name: str, position: Position, message: str) -> SuiteError:
    return SuiteError(f"{name}:{position[0]}:{position[1]}: {message}")

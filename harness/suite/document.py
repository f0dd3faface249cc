"""YAML text → plain values with their positions. The only reader of YAML.

The text is parsed as events and composed here, so that nothing is constructed by a tag, nothing nests or expands beyond
a limit, duplicate keys are seen, and every value keeps its line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import SuiteError

MAX_BYTES = 1 << 20
MAX_DEPTH = 24
MAX_NODES = 100_000
"""Values after expanding aliases and merges: a bomb of nested aliases grows past any limit on the text alone."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.SafeLoader("")
# YAML 1.1 reads 1e-3 as a string for want of a dot; people mean a number.
_PLAIN_FLOAT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")

_TAGS = frozenset({"str", "int", "float", "bool", "null", "seq", "map", "merge"})

Position = tuple[int, int]
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed file: ``value`` is made of dict, list, str, int, float, bool and None.

    ``positions`` gives (line, column), counted from 1, of the value at a path; ``keys`` of a mapping's key.
    """

    name: str
    value: Any
    positions: dict[Location, Position] = field(default_factory=dict)
    keys: dict[Location, Position] = field(default_factory=dict)

    def at(self, location: Location, *, key: bool = False) -> str:
        """``file:line:column:`` of the nearest known place on the way to ``location``."""
        while location not in self.positions and location:
            location = location[:-1]
        line, column = (self.keys if key else self.positions).get(location) or self.positions.get(location, (1, 1))
        return f"{self.name}:{line}:{column}:"


def read_document(path: Path) -> Document:
    """The YAML file at ``path``; raises SuiteError starting with ``file:line:column:`` for anything unreadable."""
    where = f"{path}:1:1:"
    try:
        if path.is_dir():
            raise SuiteError(f"{where} a suite is a YAML file (got a directory); name one of the files in it")
        if path.exists() and not path.is_file():
            raise SuiteError(f"{where} a suite is a regular file (got a device or a pipe); name a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SuiteError(f"{where} cannot read the suite ({error.strerror}); check the path") from None
    if len(data) > MAX_BYTES:
        raise SuiteError(f"{where} a suite has at most {MAX_BYTES} bytes (got more); split it into several suites")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise SuiteError(
            f"{path}:{line}:{column}: a suite is UTF-8 text (got byte 0x{data[error.start]:02x}); is this a YAML file?"
        ) from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse YAML ``text``; ``name`` stands for the file in messages. Raises SuiteError."""
    composer = _Composer(name)
    try:
        return composer.document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "not valid YAML"
        raise SuiteError(f"{name}:{line}:{column}: not valid YAML ({problem}); mend the syntax there") from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        raise SuiteError(
            f"{name}:{line}:{column}: not valid YAML ({_first_line(error)}); is this a text file?"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@dataclass(frozen=True, eq=False)
class _Node:
    """A value with its position; ``children`` are pairs for a mapping, singles for a sequence."""

    kind: str
    line: int
    column: int
    value: Any = None
    pairs: tuple[tuple[_Node, _Node], ...] = ()
    items: tuple[_Node, ...] = ()


class _Composer:
    def __init__(self, name: str) -> None:
        self._name = name
        self._anchors: dict[str, _Node] = {}
        self._nodes = 0

    def _fail(self, line: int, column: int, message: str) -> SuiteError:
        return SuiteError(f"{self._name}:{line}:{column}: {message}")

    def document(self, events: Iterator[Any]) -> Document:
        root: _Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    line = event.start_mark.line + 1
                    raise self._fail(line, 1, "a suite is one YAML document (got a second); remove the ---")
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, 0)
        if root is None or (root.kind == "scalar" and root.value is None):
            raise self._fail(1, 1, "the file is empty; a suite needs at least name, op, shapes and matrix")
        if root.kind != "mapping":
            raise self._fail(
                root.line,
                root.column,
                f"a suite is a mapping of keys to values, a mapping is expected (got a {root.kind})",
            )
        document = Document(self._name, None)
        value = self._expand(root, (), document)
        return Document(self._name, value, document.positions, document.keys)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > MAX_DEPTH:
            raise self._fail(line, column, f"a suite nests at most {MAX_DEPTH} levels (got more); flatten it")
        self._count(line, column)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._fail(line, column, f"an alias needs its anchor before it (got *{event.anchor}); define it")
            return self._anchors[event.anchor]
        tag = event.tag
        if tag not in (None, "!") and tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            raise self._fail(line, column, f"tags are not accepted in a suite (got {tag}); remove it")
        if isinstance(event, yaml.ScalarEvent):
            node = _Node("scalar", line, column, value=self._scalar(event, line, column))
        elif isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(inner := next(events), yaml.SequenceEndEvent):
                items.append(self._node(inner, events, depth + 1))
            node = _Node("sequence", line, column, items=tuple(items))
        else:
            pairs = []
            while not isinstance(inner := next(events), yaml.MappingEndEvent):
                key = self._node(inner, events, depth + 1)
                pairs.append((key, self._node(next(events), events, depth + 1)))
            node = _Node("mapping", line, column, pairs=tuple(pairs))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _count(self, line: int, column: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._fail(
                line, column, f"a suite holds at most {MAX_NODES} values, aliases expanded (got more); split it"
            )

    def _scalar(self, event: Any, line: int, column: int) -> Any:
        text: str = event.value
        tag = event.tag
        if tag in (None, "!"):
            if not event.implicit[0]:
                return text
            tag = (
                "tag:yaml.org,2002:float"
                if _PLAIN_FLOAT.fullmatch(text)
                else _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
            )
        kind = tag.rpartition(":")[2]
        if kind == "merge":
            return _MERGE
        if kind in ("int", "float", "bool", "null", "str"):
            try:
                node = yaml.ScalarNode(tag, text)
                return (
                    float(text)
                    if kind == "float" and _PLAIN_FLOAT.fullmatch(text)
                    else _RESOLVER.construct_object(node)
                )
            except (ValueError, KeyError, IndexError):
                raise self._fail(line, column, f"not a valid {kind} (got {text[:40]!r}); mend or quote it") from None
        return text  # dates and the like stay the text they are written as

    def _expand(self, node: _Node, path: Location, document: Document) -> Any:
        self._count(node.line, node.column)
        if len(path) > MAX_DEPTH:
            raise self._fail(node.line, node.column, f"a suite nests at most {MAX_DEPTH} levels (got more); flatten it")
        document.positions[path] = (node.line, node.column)
        if node.kind == "scalar":
            return None if node.value is _MERGE else node.value
        if node.kind == "sequence":
            return [self._expand(item, (*path, index), document) for index, item in enumerate(node.items)]
        return self._mapping(node, path, document)

    def _mapping(self, node: _Node, path: Location, document: Document) -> dict[str, Any]:
        out: dict[str, Any] = {}
        own: set[str] = set()
        merges = [value for key, value in node.pairs if key.value is _MERGE]
        for merge in merges:
            for source in merge.items if merge.kind == "sequence" else (merge,):
                if source.kind != "mapping":
                    raise self._fail(source.line, source.column, "<< merges mappings only; name a mapping's alias")
                for key, value in self._mapping(source, path, document).items():
                    out.setdefault(key, value)
        for key, value in node.pairs:
            if key.value is _MERGE:
                continue
            if key.kind != "scalar" or not isinstance(key.value, str):
                raise self._fail(key.line, key.column, f"keys are text (got {_shown(key)}); quote the key")
            if key.value in own:
                raise self._fail(key.line, key.column, f"duplicate key {key.value!r}; keep one of the two")
            own.add(key.value)
            document.keys[(*path, key.value)] = (key.line, key.column)
            out[key.value] = self._expand(value, (*path, key.value), document)
        document.positions[path] = (node.line, node.column)
        return out


def _shown(node: _Node) -> str:
    return repr(node.value)[:40] if node.kind == "scalar" else f"a {node.kind}"


_MERGE = object()

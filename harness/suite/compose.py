"""YAML events → plain values with their positions.

Composed here rather than by PyYAML's constructors, so that nothing is made by a tag, nothing nests or expands beyond a
limit, duplicate keys are seen, and every value keeps its line and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import SuiteError
from harness.suite.scalars import construct, resolve
from harness.suite.wording import shown

MAX_DEPTH = 24
TOO_DEEP = f"a suite nests at most {MAX_DEPTH} levels (got more); flatten it"
MAX_NODES = 50_000
"""Values, those of aliases and merges counted each time: nested aliases outgrow any limit on the text alone."""

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "null"})
_TAGS = {yaml.ScalarEvent: _SCALAR_TAGS, yaml.SequenceStartEvent: {"seq"}, yaml.MappingStartEvent: {"map"}}

Position = tuple[int, int]
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Composed:
    """A document's value, (line, column) of each value by its path, and of each mapping's key."""

    value: dict[str, Any]
    positions: dict[Location, Position]
    keys: dict[Location, Position]


def compose(events: Iterator[Any], name: str) -> Composed:
    """Compose the one document of ``events``; ``name`` stands for the file in messages. Raises SuiteError."""
    root = _Composer(name).root(events)
    expander = _Expander(name)
    value = expander.mapping(root, (), 0)
    return Composed(value, expander.positions, expander.keys)


@dataclass(frozen=True, eq=False)
class _Node:
    """A value with its position. ``merge``: the key ``<<``, unquoted."""

    kind: str
    line: int
    column: int
    value: Any = None
    merge: bool = False
    pairs: tuple[tuple[_Node, _Node], ...] = ()
    items: tuple[_Node, ...] = ()


@dataclass
class _Counter:
    """Counts values and refuses too many, or values that nest too deep."""

    name: str
    nodes: int = 0

    def fail(self, line: int, column: int, message: str) -> SuiteError:
        return SuiteError(f"{self.name}:{line}:{column}: {message}")

    def count(self, line: int, column: int, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            rule = f"a suite holds at most {MAX_NODES} values, those of aliases counted each time (got more)"
            raise self.fail(line, column, f"{rule}; split it into several suites")
        if depth > MAX_DEPTH:
            raise self.fail(line, column, TOO_DEEP)


@dataclass
class _Composer(_Counter):
    """Events → nodes. Aliases are the nodes that they name."""

    anchors: dict[str, _Node] = field(default_factory=dict)

    def root(self, events: Iterator[Any]) -> _Node:
        root: _Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                mark: Any = event.start_mark
                rule = "a suite is one YAML document (got a second)"
                raise self.fail(mark.line + 1, mark.column + 1, f"{rule}; remove the --- and what follows")
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, 0)
        if root is None or (root.kind == "scalar" and root.value is None):
            rule = "a suite needs at least name, op, shapes and matrix (got an empty file)"
            raise self.fail(1, 1, f"{rule}; write them")
        if root.kind != "mapping":
            rule = f"a mapping of keys to values is expected (got a {root.kind})"
            raise self.fail(root.line, root.column, f"{rule}; begin with `name:` and `op:`")
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        self.count(line, column, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line, column)
        tag = self._tag(event, line, column)
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, tag, line, column)
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
            self.anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str, line: int, column: int) -> _Node:
        if anchor not in self.anchors:
            rule = f"an alias comes after the whole value that it names (got {shown('*' + anchor)})"
            raise self.fail(line, column, f"{rule}; define &{anchor[:40]} before it")
        return self.anchors[anchor]

    def _tag(self, event: Any, line: int, column: int) -> str | None:
        if event.tag in (None, "!"):
            return None
        tag: str = event.tag.removeprefix(_CORE)
        if not event.tag.startswith(_CORE) or tag not in _TAGS[type(event)]:
            raise self.fail(line, column, f"tags are not accepted in a suite (got {shown(event.tag)}); remove it")
        return tag

    def _scalar(self, event: Any, tag: str | None, line: int, column: int) -> _Node:
        text: str = event.value
        plain = tag is None and event.implicit[0]
        try:
            value = construct(tag, text) if tag else resolve(text) if plain else text
        except ValueError as error:
            raise self.fail(line, column, f"{error} (got {shown(text)}); mend or quote it") from None
        return _Node("scalar", line, column, value, merge=plain and text == "<<")


@dataclass
class _Expander(_Counter):
    """Nodes → values, aliases and merges expanded."""

    positions: dict[Location, Position] = field(default_factory=dict)
    keys: dict[Location, Position] = field(default_factory=dict)

    def _value(self, node: _Node, path: Location, depth: int) -> Any:
        if node.kind == "mapping":
            return self.mapping(node, path, depth)
        self.count(node.line, node.column, depth)
        self.positions[path] = (node.line, node.column)
        if node.kind == "sequence":
            return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.items)]
        if node.value is None:
            place = ".".join(map(str, path))
            raise self.fail(node.line, node.column, f"{place}: needs a value (got nothing, or null); add one")
        return node.value

    def mapping(self, node: _Node, path: Location, depth: int) -> dict[str, Any]:
        """The mapping's own keys, and those that it merges where it has none of its own."""
        out: dict[str, Any] = {}
        self._merge(node, path, depth, out)
        self.positions[path] = (node.line, node.column)
        return out

    def _merge(self, node: _Node, path: Location, depth: int, out: dict[str, Any]) -> None:
        """Add what ``out`` lacks: keys nearer to the mapping win, so they are expanded first."""
        self.count(node.line, node.column, depth)
        own: set[str] = set()
        sources: list[_Node] = []
        for key, value in node.pairs:
            name = self._key(key)
            if name in own:
                raise self.fail(key.line, key.column, f"a key stands once (got {shown(name)} again); keep one of them")
            own.add(name)
            if key.merge:
                sources = list(value.items) if value.kind == "sequence" else [value]
            elif name not in out:
                self.keys[(*path, name)] = (key.line, key.column)
                out[name] = self._value(value, (*path, name), depth + 1)
        for source in sources:
            if source.kind != "mapping":
                rule = f"<< merges mappings (got a {source.kind})"
                raise self.fail(source.line, source.column, f"{rule}; name a mapping's alias")
            self._merge(source, path, depth + 1, out)

    def _key(self, key: _Node) -> str:
        if key.kind != "scalar" or not isinstance(key.value, str):
            got = shown(key.value) if key.kind == "scalar" else f"a {key.kind}"
            raise self.fail(key.line, key.column, f"a key is text (got {got}); quote it")
        return key.value

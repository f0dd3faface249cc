"""Measured choices on disk: one JSON file a device and driver in the cache, and files that are shipped, one a model."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.data.cache import cache_root, scratch_folder, unwritable
from harness.errors import DataError

_VERSION = 1
SHIPPED = Path(__file__).resolve().parent / "shipped"


@dataclass(frozen=True)
class Choice:
    """The fastest configuration of one kernel for one problem. ``time_s`` None: the kernel does not conform or cannot be
    run there. ``digest`` is that of the kernel's source: a choice does not outlive it."""

    digest: str | None
    time_s: float | None
    macros: Mapping[str, int] = field(default_factory=dict)


Choices = dict[str, dict[str, Choice]]
"""Key of a problem → kernel → its choice."""


@dataclass(frozen=True)
class Table:
    """What was measured on one device (``model`` for people, ``device`` its identity)."""

    model: str
    device: str
    choices: Choices


def slug(text: str) -> str:
    """``text`` as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)


def cached_path(device: str) -> Path:
    """Where the choices of a device (its identity) are kept."""
    return cache_root() / "choices" / f"{slug(device)}.json"


def shipped_path(model: str) -> Path:
    """Where those of a model of device lie in this package."""
    return SHIPPED / f"{slug(model)}.json"


def read_table(path: Path) -> Table | None:
    """None where there is no such file or this version cannot read it: then it is measured again."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if content["version"] != _VERSION:
            return None
        choices = {
            key: {kernel: Choice(**choice) for kernel, choice in kernels.items()}
            for key, kernels in content["choices"].items()
        }
        return Table(content["model"], content["device"], choices)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_table(path: Path, table: Table) -> None:
    """By rename. Raises DataError where that cannot be done."""
    rows = {
        key: {kernel: asdict(choice) for kernel, choice in sorted(kernels.items())}
        for key, kernels in sorted(table.choices.items())
    }
    content = {"version": _VERSION, "model": table.model, "device": table.device, "choices": rows}
    with scratch_folder(path.parent) as scratch:
        part = scratch / path.name
        try:
            part.write_text(json.dumps(content, indent=1) + "\n")
            part.replace(path)
        except OSError as error:
            raise unwritable(path.parent, error) from error


@functools.cache
def shipped_choices(model: str) -> Choices:
    """The shipped choices for a model of device; none where there are none."""
    table = read_table(shipped_path(model))
    return table.choices if table is not None else {}


class Known:
    """The choices that hold on one device: its own before the shipped ones. Kept on disk as they are added."""

    def __init__(self, model: str, device: str, path: Path | None = None) -> None:
        self._path = path or cached_path(device)
        self._table = read_table(self._path) or Table(model, device, {})
        self._shipped = shipped_choices(model)

    def find(self, key: str, kernel: str, digest: str | None) -> Choice | None:
        """What was measured of that source of the kernel for that problem."""
        for choices in (self._table.choices, self._shipped):
            found = choices.get(key, {}).get(kernel)
            if found is not None and found.digest == digest:
                return found
        return None

    def add(self, key: str, kernel: str, choice: Choice) -> None:
        """Keep ``choice``. A cache that cannot be written costs another measurement, no case."""
        self._table.choices.setdefault(key, {})[kernel] = choice
        try:
            write_table(self._path, self._table)
        except DataError:
            return

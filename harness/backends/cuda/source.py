"""CUDA sources: their text with what they include from this package, and digests that comments do not change."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from harness.kernels.specialisation import SOURCE_ROOT

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_SYSTEM_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([^>\n]+)>", re.MULTILINE)
# Literals first, so that what looks like a comment inside one is left alone.
_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*')|//(?:\\\n|[^\n])*|/\*.*?\*/""", re.DOTALL
)


def closure(path: Path) -> tuple[Path, ...]:
    """``path`` and every file that it includes by ``#include "…"``, directly or not, in order of first mention.

    Names are looked up relative to the including file, then to SOURCE_ROOT. Raises FileNotFoundError for one that is in
    neither place.
    """
    found: dict[Path, None] = {}
    waiting = [path.resolve()]
    while waiting:
        current = waiting.pop(0)
        if current in found:
            continue
        found[current] = None
        text = strip_comments(current.read_text())
        waiting += [_resolve(name, current) for name in _INCLUDE.findall(text)]
    return tuple(found)


def _resolve(name: str, includer: Path) -> Path:
    for folder in (includer.parent, SOURCE_ROOT):
        if (folder / name).is_file():
            return (folder / name).resolve()
    raise FileNotFoundError(f'{includer}: includes "{name}", which is neither beside it nor in {SOURCE_ROOT}')


def strip_comments(text: str) -> str:
    """The code alone: each comment becomes a space, trailing blanks and empty lines go. (A comment between words
    of a line leaves the blanks about it: a digest may change where it need not, never the other way round.)"""
    bare = _COMMENT.sub(lambda match: match.group(1) or " ", text)
    lines = (line.rstrip() for line in bare.splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def system_includes(path: Path) -> tuple[str, ...]:
    """Headers that ``path`` and what it includes ask the compiler for by ``#include <…>``."""
    texts = (strip_comments(part.read_text()) for part in closure(path))
    return tuple(dict.fromkeys(name for text in texts for name in _SYSTEM_INCLUDE.findall(text)))


@functools.cache
def digest(path: Path) -> str:
    """Digest of the code of ``path`` with its includes, comments stripped."""
    made = hashlib.blake2b(digest_size=10)
    for part in closure(path):
        made.update(f"{_name(part)}\0{strip_comments(part.read_text())}\0".encode())
    return made.hexdigest()


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE_ROOT)) if path.is_relative_to(SOURCE_ROOT) else path.name

"""Short hints for unknown names."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import did_you_mean

SHOWN = 6


def near_or_some(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or else the first few of them: models have hundreds of tensors."""
    names = list(known)
    hint = did_you_mean(name, names)
    if hint.startswith("did you mean") or len(names) <= SHOWN:
        return hint
    return f"known: {', '.join(names[:SHOWN])}, … ({len(names)} in all)"

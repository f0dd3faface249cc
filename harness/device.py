"""What planning knows of a device: a plain description, made by the backends, needed by no import of theirs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """One device. ``name`` is how users ask for it (``cpu``, ``cuda:0``); ``features`` are instruction sets and the
    like that kernels ask about; ``memory_bytes`` is what a case may use in all."""

    name: str
    backend: str
    model: str
    architecture: str
    memory_bytes: int
    features: frozenset[str] = frozenset()

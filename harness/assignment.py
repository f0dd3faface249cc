"""What passes between a worker and its parent besides cases and outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.device import Device

READY = "ready"
"""A worker's answer to its assignment."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is told first. ``parent`` is the process whose end ends the worker."""

    device: Device
    offline: bool
    parent: int

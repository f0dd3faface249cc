"""What passes between a worker and its parent besides cases and outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.device import Device
from harness.record import Outcome

READY = "ready"
"""A worker's answer to its assignment."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is told first. ``energy``: whether to measure the energy of a launch, which takes seconds a case;
    ``parent`` is the process whose end ends the worker."""

    device: Device
    offline: bool
    energy: bool
    parent: int


@dataclass(frozen=True, eq=False)
class Reply:
    """What a worker answers to a case. ``fit`` is False where the case left the worker unable to go on: a CUDA context
    does not survive an illegal access. Such a worker ends, and the next case gets a new one."""

    outcome: Outcome
    fit: bool = True

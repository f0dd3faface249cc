"""The cores that this process may use, and which of its threads keep to which."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

CORES: tuple[int, ...] = (
    tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else tuple(range(os.cpu_count() or 1))
)
"""In order. As the process began: while a launch is timed its thread may use but one of them."""


def on_all_cores() -> None:
    """For threads that are begun while their maker keeps to one core: they must not keep to it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES)


@contextlib.contextmanager
def kept_to_first_core() -> Iterator[None]:
    """The calling thread on the first of its cores: where it begins a launch is then no matter of chance. Threads that it
    starts meanwhile would inherit that, so it holds during timing only."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)

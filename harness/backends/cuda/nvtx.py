"""NVTX ranges: names on the timeline of Nsight tools."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def nvtx_range(name: str) -> Iterator[None]:
    """Mark what runs inside as a push/pop range of the default domain. Does nothing where cupy is not installed.

    Where no tool listens, a range costs two calls that return at once. The first range imports cupy: ask for ranges on
    CUDA devices only.
    """
    nvtx = _nvtx()
    if nvtx is None:
        yield
        return
    nvtx.RangePush(name)
    try:
        yield
    finally:
        nvtx.RangePop()


@functools.cache
def _nvtx() -> Any:
    """cupy's binding of NVTX, or None where there is none."""
    try:
        from cupy.cuda import nvtx
    except ImportError:
        return None
    return nvtx if nvtx.available else None

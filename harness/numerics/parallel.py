"""Large arrays in parts: small enough to stay in a core's cache, shared among the cores.

NumPy lets other threads run while it computes, but uses one itself. Parts are cut where NumPy's own pairwise summation
halves an array, so that ``pairwise_sum`` gives bit for bit what ``ndarray.sum`` gives, on any number of cores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.cores import CORES, on_all_cores

PART_ELEMENTS = 1 << 16
"""Of float64: half a MiB, so that a few temporaries stay in the second-level cache."""
_SHARES = 4  # for each core, so that none is left with much when the others are done
_MULTIPLE = 8  # NumPy halves at a multiple of what it unrolls by

Part = TypeVar("Part")
Result = TypeVar("Result")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(CORES), "numerics", initializer=on_all_cores)


def map_threads(function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """``function`` of every part, in order. It must not come back here with more than one part: all threads may wait."""
    if len(parts) < 2:
        return list(map(function, parts))
    share = -(-len(parts) // (_SHARES * len(CORES)))
    shares = [parts[start : start + share] for start in range(0, len(parts), share)]
    return [result for some in _threads().map(lambda share: list(map(function, share)), shares) for result in some]


def in_parts(function: Callable[[slice], Result], count: int, most: int = PART_ELEMENTS) -> list[Result]:
    """``function`` of slices that cover ``range(count)`` in order, each of at most ``most`` (0 elements: one slice)."""
    return map_threads(function, _cut(0, count, max(most, 2 * _MULTIPLE)))


def pairwise_sum(function: Callable[[slice], float], count: int) -> float:
    """The sum of ``count`` elements in NumPy's order; ``function`` is the sum of a slice of them."""
    sums = iter(in_parts(function, count))
    return _add(sums.__next__, count)


def count_where(test: Callable[[NDArray[Any]], NDArray[np.bool_]], array: NDArray[Any]) -> int:
    """How many elements pass an elementwise test."""
    flat = array.reshape(-1)
    return sum(in_parts(lambda part: int(np.count_nonzero(test(flat[part]))), flat.size))


def _half(count: int) -> int:
    half = count // 2
    return half - half % _MULTIPLE


def _cut(start: int, count: int, most: int) -> list[slice]:
    if count <= most:
        return [slice(start, start + count)]
    half = _half(count)
    return _cut(start, half, most) + _cut(start + half, count - half, most)


def _add(following: Callable[[], float], count: int) -> float:
    if count <= PART_ELEMENTS:
        return following()
    half = _half(count)
    return _add(following, half) + _add(following, count - half)

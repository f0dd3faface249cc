"""Scale blocks by their definition: one pass over the elements, each told which block it belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

GRANULARITIES = (
    "per_tensor",
    "per_channel",
    "per_token",
    "per_group:1",
    "per_group:3",
    "per_group:4",
    "per_group:100",
    "per_block:2x3",
    "per_block:1x4",
    "per_block:*x2",
    "per_block:2x*",
    "per_block:*x*",
    "per_block:64x64",
)
SHAPES = ((1,), (7,), (12,), (1, 1), (5, 7), (4, 12), (1, 9), (6, 1), (3, 5, 7), (2, 1, 4), (2, 3, 4, 5), (1, 2, 1, 3))
EMPTY_SHAPES = ((0,), (0, 4), (3, 0), (2, 0, 3), (0, 1, 2, 0))


def layouts(shapes: Iterable[tuple[int, ...]]) -> list[tuple[str, tuple[int, ...], int]]:
    """Every (granularity, shape, channel axis); the channel axis varies where it matters."""
    return [
        (granularity, shape, axis)
        for granularity in GRANULARITIES
        for shape in shapes
        for axis in range(len(shape) if granularity == "per_channel" else 1)
    ]


def block_of(index: tuple[int, ...], granularity: str, channel_axis: int) -> tuple[int, ...]:
    """What names the block that the element at ``index`` belongs to."""
    kind, _, argument = granularity.partition(":")
    if kind == "per_tensor":
        return ()
    if kind == "per_channel":
        return (index[channel_axis],)
    if kind == "per_token":
        return index[:-1]
    if kind == "per_group":
        return (*index[:-1], index[-1] // int(argument))
    rows, cols = (math.inf if part == "*" else int(part) for part in argument.split("x"))
    last = int(index[-1] // cols)
    return (*index[:-2], int(index[-2] // rows), last) if len(index) > 1 else (last,)


def block_ids(shape: tuple[int, ...], granularity: str, channel_axis: int) -> NDArray[np.int64]:
    """The number of each element's block, in order of first appearance; shape of the tensor."""
    seen: dict[tuple[int, ...], int] = {}
    ids = np.empty(shape, dtype=np.int64)
    for index in np.ndindex(shape):
        ids[index] = seen.setdefault(block_of(index, granularity, channel_axis), len(seen))
    return ids

"""How scale blocks lie over a tensor.

Every granularity is a block shape: so many elements along each axis share one scale. The last block of an axis may be
shorter. Scales and zero points are held in a *grid* with one entry a block and as many axes as the tensor.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError, did_you_mean

GRANULARITIES: dict[str, str] = {
    "per_tensor": "one scale",
    "per_channel": "one scale a channel (a row of a weight; an axis of a tensor of more axes)",
    "per_token": "one scale a row: the last axis shares it",
    "per_group:G": "G neighbours along the last axis share a scale",
    "per_block:RxC": "R rows by C columns share a scale; * is the whole extent",
}
"""Name (as suites write it) → what shares a scale."""

GranularityKind = Literal["per_tensor", "per_channel", "per_token", "per_group", "per_block"]

_BLOCK = re.compile(r"(\*|[1-9]\d{0,8})x(\*|[1-9]\d{0,8})")


@dataclass(frozen=True)
class Granularity:
    """A parsed granularity. ``rows``, ``cols``: the block's extents along the last two axes, None the whole axis."""

    kind: GranularityKind
    rows: int | None = None
    cols: int | None = None

    @classmethod
    @functools.cache
    def parse(cls, text: str) -> Granularity:
        """``per_group:128`` and the like; raises SchemeError naming the rule and the nearest known form."""
        kind, _, argument = text.partition(":")
        if kind in ("per_tensor", "per_channel", "per_token") and not argument and ":" not in text:
            return cls(kind)  # type: ignore[arg-type]
        if kind == "per_group" and re.fullmatch(r"[1-9]\d{0,8}", argument):
            return cls("per_group", cols=int(argument))
        if kind == "per_block" and (found := _BLOCK.fullmatch(argument)):
            rows, cols = (None if part == "*" else int(part) for part in found.groups())
            return cls("per_block", rows=rows, cols=cols)
        raise SchemeError(f"granularity: {_rule(kind)} (got {text!r}); {_remedy(kind, text)}")

    def __str__(self) -> str:
        if self.kind == "per_group":
            return f"per_group:{self.cols}"
        if self.kind == "per_block":
            return f"per_block:{self.rows or '*'}x{self.cols or '*'}"
        return self.kind

    def tiling(self, shape: tuple[int, ...], channel_axis: int = 0) -> Tiling:
        """The blocks over a tensor of ``shape`` (one to four axes, or none: a scalar is one block)."""
        block = [1] * len(shape)
        if self.kind == "per_tensor":
            block = list(shape)
        elif self.kind == "per_channel":
            if not -len(shape) <= channel_axis < len(shape):
                raise SchemeError(
                    f"channel_axis: must be an axis of the tensor (got {channel_axis} for shape {shape}); "
                    f"give one below {len(shape)}"
                )
            block = [1 if axis == channel_axis % len(shape) else size for axis, size in enumerate(shape)]
        elif self.kind == "per_token":
            block[-1:] = shape[-1:]
        else:
            extents = (self.rows if self.kind == "per_block" else 1, self.cols)
            for axis, extent in zip(range(len(shape) - 1, -1, -1), reversed(extents), strict=False):
                block[axis] = shape[axis] if extent is None else min(extent, shape[axis])
        return Tiling(shape, tuple(max(1, extent) for extent in block))


def _rule(kind: str) -> str:
    forms = {"per_group": "per_group takes a positive group size", "per_block": "per_block takes RxC, * for the whole"}
    return forms.get(kind, "must be a known granularity")


def _remedy(kind: str, text: str) -> str:
    examples = {"per_group": "write per_group:128", "per_block": "write per_block:128x128 or per_block:128x*"}
    plain = [name for name in GRANULARITIES if name.startswith(kind + ":")]
    if kind in examples or plain:
        return examples[kind]
    if kind in GRANULARITIES:
        return f"write {kind} without an argument"
    return did_you_mean(text, GRANULARITIES)


@dataclass(frozen=True)
class Tiling:
    """Blocks of ``block`` elements over a tensor of ``shape``; the last block of an axis may be shorter."""

    shape: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of blocks along each axis (at least one, so that an empty tensor still has a scale)."""
        return tuple(max(1, -(-size // extent)) for size, extent in zip(self.shape, self.block, strict=True))

    @property
    def blocks(self) -> int:
        return math.prod(self.grid)

    @property
    def smallest_block(self) -> int:
        """Elements of the shortest block."""
        return math.prod(
            size % extent or min(extent, size) for size, extent in zip(self.shape, self.block, strict=True)
        )

    def _regions(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], tuple[int, ...], tuple[int, ...]]]:
        """Parts of the tensor in which all blocks have one size: (slices, grid slices, counts, extents)."""
        choices = []
        for size, extent in zip(self.shape, self.block, strict=True):
            whole, tail = divmod(size, extent)
            parts = []
            if whole:
                parts.append((slice(0, whole * extent), slice(0, whole), whole, extent))
            if tail:
                parts.append((slice(whole * extent, size), slice(whole, whole + 1), 1, tail))
            choices.append(parts)
        for parts_chosen in itertools.product(*choices):
            slices, grids, counts, extents = zip(*parts_chosen, strict=True) if parts_chosen else ((), (), (), ())
            yield slices, grids, counts, extents

    def map_blocks(
        self,
        x: NDArray[Any],
        function: Callable[..., tuple[NDArray[Any], ...]],
        empty: tuple[Any, ...],
        *parameters: NDArray[Any],
    ) -> tuple[NDArray[Any], ...]:
        """Apply ``function`` to every block of ``x``.

        ``function`` takes blocks as rows ``[N, E]`` and returns arrays of length N; those come back as grids.
        ``parameters`` are grids too: ``function`` gets their entries for its blocks, ``[N]`` each, after the blocks.
        ``empty`` gives dtype and value where no element is: one scalar for each array.
        """
        results = tuple(np.full(self.grid, fill) for fill in empty)
        for slices, grids, counts, extents in self._regions():
            part = x[slices]
            axes = len(counts)
            split = part.reshape([n for pair in zip(counts, extents, strict=True) for n in pair])
            order = [2 * axis for axis in range(axes)] + [2 * axis + 1 for axis in range(axes)]
            rows = split.transpose(order).reshape(math.prod(counts), math.prod(extents))
            for target, values in zip(
                results, function(rows, *(grid[grids].ravel() for grid in parameters)), strict=True
            ):
                target[grids] = values.reshape(counts)
        return results

    def expand(self, grid: NDArray[Any]) -> NDArray[Any]:
        """``grid`` stretched so that it broadcasts against the tensor, each block's entry over all its elements."""
        for axis, (size, extent) in enumerate(zip(self.shape, self.block, strict=True)):
            if 1 < extent < size:
                grid = np.repeat(grid, extent, axis=axis)
                if grid.shape[axis] != size:
                    grid = grid[(slice(None),) * axis + (slice(0, size),)]
        return grid

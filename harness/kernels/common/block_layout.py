"""How a kernel finds the scale of an element: the tiling reduced to as few axes as it needs.

Neighbouring axes that one index walks through alike are merged; what is left is one of four layouts, of which the first
three let a thread that handles a vector of neighbours look its scale up once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.numerics.granularity import Tiling

Kind = Literal["one", "run", "grid", "column"]
KIND_NUMBERS: dict[Kind, int] = {"one": 0, "run": 1, "grid": 2, "column": 3}
"""Value of the macro LAYOUT."""
MAX_AXES = 3
_LIMIT = 2**32


@dataclass(frozen=True)
class BlockLayout:
    """A tensor of at most three axes (outermost first, 1 where unused) in blocks.

    ``kind``: ``one`` scale; a scale for each ``run`` of neighbours of the flattened tensor; a ``grid`` of blocks, found
    from an element's coordinates; a scale for each ``column``.
    """

    kind: Kind
    extents: tuple[int, int, int]
    block: tuple[int, int, int]

    @property
    def elements(self) -> int:
        return math.prod(self.extents)

    def vector_fits(self, width: int) -> bool:
        """Whether every vector of ``width`` neighbours (aligned to its width; the last one may be short) has one block,
        or in the layout ``column`` one column each."""
        last, block = self.extents[2], self.block[2]
        if self.kind == "one":
            return True
        if self.kind == "run":
            return block % width == 0
        if self.kind == "column":
            return last % width == 0
        return last % width == 0 and (block % width == 0 or block >= last)

    def arguments(self, width: int) -> tuple[int, ...]:
        """What kernels take: extents 1 and 2, block extents 0 to 2, strides of the grid 0 and 1; the last axis is counted
        in vectors of ``width``."""
        _, e1, e2 = self.extents
        b0, b1, b2 = self.block
        g1, g2 = -(-e1 // b1), -(-e2 // b2)
        return (e1, -(-e2 // width), b0, b1, -(-b2 // width), g1 * g2, g2)


def block_layout(tiling: Tiling) -> BlockLayout | None:
    """The layout of a tiling; None where more than three axes are left, or an index does not fit 32 bits."""
    axes = [(size, min(extent, size)) for size, extent in zip(tiling.shape, tiling.block, strict=True)]
    merged = _merge(axes)
    if len(merged) > MAX_AXES:
        return None
    extents, block = (tuple([1] * (MAX_AXES - len(merged)) + list(part)) for part in zip(*merged, strict=True))
    if math.prod(extents) >= _LIMIT:
        return None
    return BlockLayout(_kind(extents, block), extents, block)


def _merge(axes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge neighbours (outer, inner) that one index walks through alike: both one block, both one element a block, whole
    rows of the inner one, or whole blocks of the inner one under single rows."""
    merged: list[tuple[int, int]] = []
    for size, block in axes or [(1, 1)]:
        if size == 1 and merged:
            continue
        while merged:
            outer, outer_block = merged[-1]
            if outer == 1:
                merged.pop()
            elif block == size:
                merged.pop()
                size, block = outer * size, outer_block * size
            elif outer_block == 1 and size % block == 0:
                merged.pop()
                size = outer * size
            else:
                break
        merged.append((size, block))
    return merged


def _kind(extents: tuple[int, ...], block: tuple[int, ...]) -> Kind:
    if block == extents:
        return "one"
    if extents[:2] == (1, 1):
        return "run"
    if block == (1, extents[1], 1) and extents[0] == 1:
        return "column"
    return "grid"

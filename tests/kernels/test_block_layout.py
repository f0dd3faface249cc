"""Where kernels look up the scale of an element, against the tiling's own expansion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.kernels.common.block_layout import MAX_AXES, BlockLayout, block_layout
from harness.numerics.granularity import Granularity, Tiling

WIDTHS = (4, 8)
SHAPES = (
    (1,), (3,), (8,), (64,), (257,),
    (1, 1), (1, 9), (6, 1), (5, 7), (4, 16), (8, 24), (33, 40),
    (1, 1, 1), (3, 5, 7), (2, 4, 8), (4, 1, 16), (1, 6, 8), (5, 2, 1),
    (1, 1, 1, 1), (2, 3, 5, 7), (2, 4, 8, 16), (1, 2, 1, 8), (3, 1, 4, 1), (2, 3, 1, 5), (4, 3, 2, 8),
)  # fmt: skip
GRANULARITIES = (
    "per_tensor",
    "per_channel",
    "per_token",
    *(f"per_group:{size}" for size in (1, 3, 4, 8, 12, 32, 1000)),
    *(f"per_block:{block}" for block in ("1x4", "2x3", "2x8", "3x16", "4x1", "*x2", "*x8", "2x*", "*x*", "64x64")),
)
# No granularity of a suite leaves four axes; tilings may.
FOUR_AXES = {
    "blocks of blocks on all axes": (Tiling((3, 4, 5, 6), (2, 3, 2, 4)), False),
    "every other axis whole": (Tiling((3, 4, 5, 6), (3, 1, 5, 1)), True),
    "every other axis single": (Tiling((3, 4, 5, 6), (1, 4, 1, 6)), True),
    "single, then blocks that divide": (Tiling((3, 4, 6, 8), (1, 2, 3, 4)), True),
    "single, then blocks that do not": (Tiling((3, 5, 7, 9), (1, 2, 3, 4)), False),
    "extents of 1 between": (Tiling((1, 5, 1, 6), (1, 2, 1, 4)), True),
    "blocks, then whole axes": (Tiling((5, 4, 5, 6), (2, 4, 5, 6)), True),
}


def _tilings() -> list[Tiling]:
    found = {
        Granularity.parse(text).tiling(shape, axis)
        for shape in SHAPES
        for text in GRANULARITIES
        for axis in range(len(shape) if text == "per_channel" else 1)
    }
    return sorted(found, key=lambda each: (each.shape, each.block))


def _label(tiling: Tiling) -> str:
    return f"{'x'.join(map(str, tiling.shape))} in {'x'.join(map(str, tiling.block))}"


def _numbers(tiling: Tiling) -> NDArray[np.int64]:
    """The number of each element's block, flat."""
    numbers = np.arange(tiling.blocks).reshape(tiling.grid)
    return np.broadcast_to(tiling.expand(numbers), tiling.shape).ravel()


def _of(layout: BlockLayout, width: int, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """``Blocks::of`` of common/blocks.cuh, word for word."""
    e1, e2, b0, b1, b2, g0, g1 = layout.arguments(width)
    if layout.kind == "one":
        return np.zeros_like(index)
    if layout.kind == "run":
        return index // b2
    if layout.kind == "grid":
        row, column = index // e2, index % e2
        outer, inner = row // e1, row % e1
        return outer // b0 * g0 + inner // b1 * g1 + column // b2
    return index % e2


def _check(tiling: Tiling, layout: BlockLayout) -> None:
    expected = _numbers(tiling)
    assert layout.elements == expected.size
    assert math.prod(layout.extents) == expected.size
    assert np.array_equal(_of(layout, 1, np.arange(expected.size)), expected), layout
    for width in WIDTHS:
        if layout.vector_fits(width):
            _check_vectors(layout, width, expected)
    assert max(layout.arguments(1)) < 2**32


def _check_vectors(layout: BlockLayout, width: int, expected: NDArray[np.int64]) -> None:
    """As quantize.cu has it: whole vectors, then the elements of a short one, which share its block."""
    vectors = -(-expected.size // width)
    looked_up = np.repeat(_of(layout, width, np.arange(vectors)), width)
    if layout.kind == "column":
        looked_up = looked_up * width + np.tile(np.arange(width), vectors)
        assert expected.size % width == 0, "a short vector would have one block"
    assert np.array_equal(looked_up[: expected.size], expected), (layout, width)


@pytest.mark.parametrize("tiling", _tilings(), ids=_label)
def test_index_is_the_tiling_s(tiling):
    layout = block_layout(tiling)
    assert layout is not None, "every granularity of a suite reduces to three axes"
    _check(tiling, layout)


@pytest.mark.parametrize("label", FOUR_AXES)
def test_four_axes_are_reduced_or_refused(label):
    tiling, reducible = FOUR_AXES[label]
    layout = block_layout(tiling)
    assert (layout is not None) == reducible
    if layout is not None:
        _check(tiling, layout)


@st.composite
def _any_tilings(draw: st.DrawFn) -> Tiling:
    shape = draw(st.lists(st.integers(1, 9) | st.sampled_from((16, 24)), min_size=1, max_size=4))
    return Tiling(tuple(shape), tuple(draw(st.integers(1, size) | st.just(size)) for size in shape))


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(_any_tilings())
def test_any_tiling_is_right_or_refused(tiling):
    layout = block_layout(tiling)
    if layout is None:
        assert sum(size > 1 for size in tiling.shape) > MAX_AXES
    else:
        _check(tiling, layout)


KINDS = {
    "per_tensor": ((6, 8), "per_tensor", 0, "one", ((4, True), (8, True))),
    "per_tensor of an odd size": ((3, 5, 7), "per_tensor", 0, "one", ((4, True), (8, True))),
    "one channel": ((1, 9), "per_channel", 0, "one", ((4, True), (8, True))),
    "rows": ((6, 8), "per_channel", 0, "run", ((4, True), (8, True))),
    "rows that end within a vector": ((6, 12), "per_token", 0, "run", ((4, True), (8, False))),
    "odd rows": ((6, 7), "per_token", 0, "run", ((4, False), (8, False))),
    "groups that divide": ((6, 64), "per_group:32", 0, "run", ((4, True), (8, True))),
    "groups with a tail, one row": ((1, 70), "per_group:32", 0, "run", ((4, True), (8, True))),
    "groups with a tail": ((6, 72), "per_group:32", 0, "grid", ((4, True), (8, True))),
    "groups with a tail within a vector": ((6, 70), "per_group:32", 0, "grid", ((4, False), (8, False))),
    "blocks": ((6, 64), "per_block:2x32", 0, "grid", ((4, True), (8, True))),
    "columns": ((6, 8), "per_channel", 1, "column", ((4, True), (8, True))),
    "columns that end within a vector": ((6, 12), "per_channel", 1, "column", ((4, True), (8, False))),
    "the last of four axes": ((2, 3, 5, 8), "per_channel", 3, "column", ((4, True), (8, True))),
    "the first of four axes": ((2, 3, 5, 8), "per_channel", 0, "run", ((4, True), (8, True))),
    "channels in the middle": ((2, 3, 5, 8), "per_channel", 1, "grid", ((4, True), (8, True))),
    "channels in the middle, odd": ((2, 3, 5, 7), "per_channel", 1, "grid", ((4, False), (8, False))),
    "channels in the middle of one image": ((1, 3, 5, 8), "per_channel", 1, "run", ((4, True), (8, True))),
}  # fmt: skip


@pytest.mark.parametrize("label", KINDS)
def test_the_simplest_layout_is_found(label):
    shape, granularity, axis, kind, fits = KINDS[label]
    layout = block_layout(Granularity.parse(granularity).tiling(shape, axis))
    assert layout.kind == kind
    assert tuple((width, layout.vector_fits(width)) for width in WIDTHS) == fits


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((2**32 - 1,), True), ((2**16, 2**16 - 1), True), ((2**32 + 1,), False), ((2**20, 2**20), False)],
)
@pytest.mark.parametrize("granularity", ["per_tensor", "per_token", "per_group:128", "per_block:128x128"])
def test_an_index_has_32_bits(shape, fits, granularity):
    layout = block_layout(Granularity.parse(granularity).tiling(shape))
    assert (layout is not None) == fits
    if layout is not None:
        assert layout.elements == math.prod(shape)
        assert max(layout.arguments(1)) < 2**32

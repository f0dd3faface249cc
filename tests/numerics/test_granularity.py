"""How blocks lie over tensors, against a loop over the elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive_blocks import EMPTY_SHAPES, SHAPES, block_ids, layouts
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.numerics.granularity import GRANULARITIES, Granularity, Tiling

LAYOUTS = pytest.mark.parametrize(("granularity", "shape", "axis"), layouts(SHAPES))


def _spread(tiling: Tiling, grid: NDArray[Any]) -> NDArray[Any]:
    return np.broadcast_to(tiling.expand(grid), tiling.shape)


@LAYOUTS
def test_blocks_are_those_of_the_definition(granularity: str, shape: tuple[int, ...], axis: int) -> None:
    tiling = Granularity.parse(granularity).tiling(shape, axis)
    expected = block_ids(shape, granularity, axis)
    assert tiling.blocks == expected.max() + 1
    assert tiling.smallest_block == np.bincount(expected.ravel()).min()
    numbers = np.arange(tiling.blocks).reshape(tiling.grid)
    spread = _spread(tiling, numbers)
    # One number a block and one block a number: the two partitions are the same.
    pairs = set(zip(spread.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == tiling.blocks


@LAYOUTS
def test_map_blocks_gives_each_block_to_the_function(granularity: str, shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(1).integers(-99, 99, shape).astype(np.float32)
    ids = block_ids(shape, granularity, axis)
    tiling = Granularity.parse(granularity).tiling(shape, axis)
    low, total, count = tiling.map_blocks(
        x,
        lambda rows: (rows.min(axis=1), rows.sum(axis=1), np.full(len(rows), rows.shape[1])),
        (np.float32(0), np.float32(0), 0),
    )
    assert low.shape == total.shape == count.shape == tiling.grid
    for index in np.ndindex(shape):
        block = x[ids == ids[index]]
        assert _spread(tiling, low)[index] == block.min()
        assert _spread(tiling, total)[index] == block.sum()
        assert _spread(tiling, count)[index] == block.size


@pytest.mark.parametrize(("granularity", "shape", "axis"), layouts(EMPTY_SHAPES))
def test_an_empty_tensor_has_a_grid_and_no_block_is_visited(
    granularity: str, shape: tuple[int, ...], axis: int
) -> None:
    def never(rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        raise AssertionError("no block holds an element")

    tiling = Granularity.parse(granularity).tiling(shape, axis)
    (grid,) = tiling.map_blocks(np.empty(shape, np.float32), never, (np.float32(7),))
    assert grid.shape == tiling.grid
    assert (grid == 7).all()
    assert _spread(tiling, grid).shape == shape


def test_a_scalar_is_one_block() -> None:
    tiling = Granularity.parse("per_tensor").tiling(())
    assert (tiling.grid, tiling.blocks) == ((), 1)
    (total,) = tiling.map_blocks(np.array(3.0), lambda rows: (rows.sum(axis=1),), (0.0,))
    assert total == 3


def test_tails_are_shorter_blocks() -> None:
    assert Granularity.parse("per_group:3").tiling((2, 7)).smallest_block == 1
    assert Granularity.parse("per_block:2x3").tiling((5, 8)).smallest_block == 1 * 2
    assert Granularity.parse("per_block:2x3").tiling((4, 6)).smallest_block == 6


def test_a_transposed_tensor_is_tiled_as_it_looks() -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    tiling = Granularity.parse("per_group:2").tiling((4, 3))
    (top,) = tiling.map_blocks(x.T, lambda rows: (rows.max(axis=1),), (np.float32(0),))
    assert top.tolist() == [[4, 8], [5, 9], [6, 10], [7, 11]]


@pytest.mark.parametrize("axis", [-1, -2, 0, 1])
def test_channel_axis_counts_from_either_end(axis: int) -> None:
    assert Granularity.parse("per_channel").tiling((3, 4), axis).grid == ((3, 1) if axis % 2 == 0 else (1, 4))


@pytest.mark.parametrize(("shape", "axis"), [((3, 4), 2), ((3, 4), -3), ((5,), 1)])
def test_a_channel_axis_that_is_not_there(shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(SchemeError, match=rf"must be an axis of the tensor \(got {axis}"):
        Granularity.parse("per_channel").tiling(shape, axis)


@pytest.mark.parametrize(
    "text", ["per_tensor", "per_channel", "per_token", "per_group:32", "per_block:128x128", "per_block:128x*"]
)
def test_text_round_trips(text: str) -> None:
    assert str(Granularity.parse(text)) == text
    assert text.partition(":")[0] in {name.partition(":")[0] for name in GRANULARITIES}


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("per_group", "write per_group:128"),
        ("per_group:", "write per_group:128"),
        ("per_group:0", "write per_group:128"),
        ("per_group:-4", "write per_group:128"),
        ("per_group:1.5", "write per_group:128"),
        ("per_block:128", "write per_block:128x128"),
        ("per_block:0x4", "write per_block:128x128"),
        ("per_tensor:3", "write per_tensor without an argument"),
        ("per_tensor:", "write per_tensor without an argument"),
        ("per_chanel", "did you mean per_channel?"),
        ("", "known: "),
    ],
)
def test_what_is_no_granularity_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(SchemeError) as refused:
        Granularity.parse(text)
    assert remedy in str(refused.value)
    assert f"got {text!r}" in str(refused.value)

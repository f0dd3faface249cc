"""``common/pieces.cuh`` on the host: blocks have each line of each tile once, and know who has the others."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from host_code import build

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="compiles headers for the host: needs g++")

_MAIN = """
typedef unsigned u32;
typedef unsigned long long u64;
#include "common/pieces.cuh"
int main(int, char **given)
{
    gridDim.x = atoi(given[1]);
    const u32 tiles = atoi(given[2]), lines = atoi(given[3]);
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        Pieces pieces(tiles, lines);
        for (Piece piece; pieces.next(piece);) {
            const u64 begin = static_cast<u64>(piece.tile) * lines;
            const bool shares = pieces.sharers > 0;
            printf("%u %u %u %u %u %u\\n", blockIdx.x, piece.tile, piece.first, piece.end,
                   shares ? pieces.owner(begin) : blockIdx.x, shares ? pieces.owner(begin + lines - 1) : blockIdx.x);
        }
    }
}
"""
_SHAPES = [
    (132, 1, 1),
    (132, 1, 64),
    (132, 9, 8),
    (132, 41, 3),
    (132, 131, 1),
    (132, 132, 5),
    (132, 224, 64),
    (132, 528, 64),
    (132, 529, 3),
    (132, 2048, 7),
    (7, 30, 2),
    (1, 5, 3),
    (13, 100, 1),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(_MAIN, {}, tmp_path_factory.mktemp("pieces"))


@pytest.mark.parametrize(("blocks", "tiles", "lines"), _SHAPES)
def test_lines_have_one_owner_and_every_owner_a_line(program: Path, blocks: int, tiles: int, lines: int):
    text = subprocess.run(
        [program, *map(str, (blocks, tiles, lines))], check=True, capture_output=True, text=True
    ).stdout
    pieces = np.array([row.split() for row in text.splitlines()], dtype=np.int64)
    had = np.zeros((tiles, lines), dtype=int)
    for _, tile, first, end, *_ in pieces:
        had[tile, first:end] += 1
    assert (had == 1).all()
    for tile in range(tiles):
        own = pieces[pieces[:, 1] == tile]
        own = own[np.argsort(own[:, 2])]
        # who adds a tile up reads a part of each block between its first and its last
        assert list(own[:, 0]) == list(range(own[0, 4], own[0, 5] + 1))
        assert all(before[3] == after[2] for before, after in pairwise(own))
        # a block leaves a part at most at either end of its share
        assert all(first == 0 or end == lines or len(own) > 2 for _, _, first, end, *_ in own)
    loads = np.bincount(pieces[:, 0], weights=pieces[:, 3] - pieces[:, 2], minlength=blocks)
    assert loads.max() - loads.min() <= (1 if tiles <= 4 * blocks else lines)

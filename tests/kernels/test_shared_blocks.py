"""How blocks are shared by teams of threads. No GPU is needed."""

from __future__ import annotations

import pytest

from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.shared_blocks import Sharing, share_blocks, share_columns

FILL = 132 * 48 * 32


@pytest.mark.parametrize("team", [1, 8, 32, THREADS])
@pytest.mark.parametrize("blocks", [1, 3, 1000, 10**6])
@pytest.mark.parametrize("vectors", [0, 1, 12345, 10**7])
def test_teams_cover_all_parts_of_all_blocks_and_have_work(team, blocks, vectors):
    made = share_blocks(FILL, blocks, vectors, team)
    assert made.grid * THREADS >= blocks * made.parts * team > (made.grid - 1) * THREADS
    if made.parts > 1:
        assert vectors // blocks >= made.parts * team * 4
        assert (made.parts - 1) * team * blocks < FILL


def test_few_large_blocks_are_shared_and_many_small_ones_are_not():
    assert share_blocks(FILL, 1, 1 << 24, THREADS) == Sharing(792, 792)
    assert share_blocks(FILL, 1 << 16, 1 << 24, 32) == Sharing(8192, 1)


@pytest.mark.parametrize(
    ("columns", "vectors", "expected"),
    [(24, 24 * 20000, Sharing((1, 792), 792)), (4096, 4096 * 10, Sharing((16, 2), 2)), (3, 9, Sharing((1, 1), 1))],
)
def test_columns_are_shared_by_rows(columns, vectors, expected):
    assert share_columns(FILL, columns, vectors) == expected

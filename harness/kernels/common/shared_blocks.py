"""How many teams of threads share a scale block, where a kernel reduces each block to a few figures."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kernels.common.affine_program import THREADS

WARP = 32
_STEPS = 4
"""Vectors that each thread has to do at least before its block is shared with another team."""


@dataclass(frozen=True)
class Sharing:
    """Thread blocks of a launch (THREADS each), and the teams, ``parts``, that a scale block is shared by."""

    grid: int | tuple[int, int]
    parts: int


def share_blocks(threads: int, blocks: int, vectors: int, team: int) -> Sharing:
    """Teams of ``team`` threads for scale blocks of ``vectors`` in all, about as many as ``threads`` fill the device."""
    parts = max(1, min(-(-threads // (team * blocks)), vectors // blocks // (team * _STEPS)))
    return Sharing(-(-blocks * parts * team // THREADS), parts)


def share_columns(threads: int, columns: int, vectors: int) -> Sharing:
    """The same where a thread has a column of single vectors, or some of its rows; ``columns`` count vectors."""
    across = -(-columns // THREADS)
    parts = max(1, min(-(-threads // (across * THREADS)), vectors // columns // _STEPS))
    return Sharing((across, parts), parts)

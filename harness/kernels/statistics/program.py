"""The CUDA kernel of statistics: how each request is compiled, and how a launch is shared out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.kernels.common.affine_program import THREADS, AffineProgram, affine_program
from harness.kernels.common.shared_blocks import WARP
from harness.kernels.common.supports import scheme_and_tiling
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

SOURCE = "statistics/statistics.cu"
_IN_FLIGHT = 2
"""Vectors that a thread has in flight."""
_MOST_STEPS = 4
"""Vectors that a thread has of a short block: its sum takes the fewer exchanges (not timed)."""
_SECTOR = 32
"""Bytes that memory is read by: a team's neighbouring vectors of codes fill at least one."""
_FEW = 4
"""Threads of a team for small blocks that end anywhere; larger ones have a warp."""
_COLUMNS = 4
"""Neighbouring columns that a thread takes at most: each has its own sums, in registers."""
_ROWS = 16
"""Elements of a column, at least, that a thread adds up before it leaves what it has for others to add."""
_BUSY = 0.93
"""Share of the teams that have something to do, on average, in a launch that is shared out well."""
_BUSY_ALONE = 0.85
"""The same that is enough where no block is shared: sharing takes a second launch (not timed)."""


@dataclass(frozen=True)
class StatisticsProgram:
    """A tensor's walk; the threads (of one warp) that have a scale block, or a part of one, together; and the vectors that
    each has of every block (0: blocks are not that regular)."""

    program: AffineProgram
    team: int
    steps: int = 0

    @property
    def specialisation(self) -> Specialisation:
        return self.program.specialisation(SOURCE, signed=True).changed(TEAM=self.team, STEPS=self.steps)


@dataclass(frozen=True)
class Shares:
    """Thread blocks of a launch (THREADS each), and the teams, ``parts``, that share each scale block."""

    grid: int
    parts: int


def statistics_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> StatisticsProgram | None:
    """None where the blocks are laid out as no kernel walks."""
    program = affine_program(scheme, tiling, dtype)
    if program is None:
        return None
    kind, block = program.layout.kind, program.layout.block
    if kind == "column":
        return StatisticsProgram(replace(program, width=min(program.width, _COLUMNS), unroll=_IN_FLIGHT), 1)
    program = replace(program, unroll=_IN_FLIGHT)
    vectors = -(-block[0] * block[1] * block[2] // (program.width or 1))
    if kind == "run" and program.width and vectors < WARP * _MOST_STEPS and vectors & (vectors - 1) == 0:
        steps = _steps(vectors, program.width * scheme.element.bits)
        return StatisticsProgram(program, vectors // steps, steps)
    return StatisticsProgram(program, WARP if kind == "one" or vectors > 2 * _FEW else _FEW)


def _steps(vectors: int, code_bits: int) -> int:
    """Vectors a thread of a block of so many (a power of two): as many as may be, while the team's codes fill a sector; one
    where they cannot."""
    steps = _MOST_STEPS
    while steps > 1 and (vectors % steps or vectors // steps * code_bits < 8 * _SECTOR):
        steps //= 2
    return max(steps, vectors // WARP)


def specialise(request: Request) -> Specialisation:
    """The compilation that a request needs."""
    plan = request["tensor"]
    found = statistics_program(*scheme_and_tiling(plan), plan.dtype)
    assert found is not None, "planned for a layout that kernels walk"
    return found.specialisation


def share(found: StatisticsProgram, blocks: int, resident: int) -> Shares:
    """Thread blocks (at most ``resident``, as many as run at once) for ``blocks`` scale blocks, and the teams for each:
    one where there are enough blocks to keep all busy."""
    layout, width = found.program.layout, found.program.width or 1
    if layout.kind == "column":
        across = -(-layout.extents[2] // (width * WARP))
        return _share(resident, across, layout.extents[1] // _ROWS, THREADS // WARP)
    vectors = -(-layout.elements // width)
    teams = THREADS // found.team
    if layout.kind == "one":
        grid = max(1, min(resident, -(-vectors // THREADS)))
        return Shares(grid, grid * teams)
    if found.steps:
        return Shares(max(1, min(resident, -(-vectors // (THREADS * max(_IN_FLIGHT, found.steps))))), 1)
    return _share(resident, blocks, -(-vectors // blocks) // (found.team * _IN_FLIGHT), teams)


def _share(resident: int, blocks: int, most: int, teams: int) -> Shares:
    """``blocks`` in at most ``most`` parts each; ``teams`` a thread block."""

    def busy(parts: int) -> float:
        rounds = blocks * parts / (resident * teams)
        return rounds / -(-blocks * parts // (resident * teams))

    if busy(1) >= _BUSY_ALONE:
        return Shares(max(1, min(resident, -(-blocks // teams))), 1)
    least = -(-resident * teams // blocks)  # below that some teams have nothing to do
    choices = range(1, max(1, min(most, 8 * least)) + 1)
    parts = next((parts for parts in choices if busy(parts) >= _BUSY), max(choices, key=busy))
    return Shares(max(1, min(resident, -(-blocks * parts // teams))), parts)

"""The dynamic CUDA kernels (range and codes in the timed part): which requests they take, how they are compiled and shaped.

``dynamic`` holds each block in the registers of a team of threads, so that the tensor is read once; ``dynamic_two_pass`` takes
blocks of any size, and reads the tensor twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.device import Device
from harness.kernels.common.affine_program import AffineProgram, affine, affine_program, scale_macros
from harness.kernels.common.shared_blocks import WARP
from harness.kernels.common.supports import of_tensor, one_level, planned, quantized, two_levels_symmetric
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

ONE_PASS = "quantize/dynamic.cu"
TWO_PASS = "quantize/two_pass.cu"
_WARP_LOADS = 4
"""Loads a thread of a warp that holds a block alone; larger blocks are held by a whole thread block."""
_LOADS, _MOST_LOADS = 4, 8
_TEAMS = (128, 256, 512, 1024)
_THREADS = 256
"""Of a thread block whose warps hold blocks of their own."""


@dataclass(frozen=True)
class Team:
    """Threads that hold one block together, in thread blocks of ``threads``; loads of one vector that each does."""

    lanes: int
    threads: int
    held: int


@dataclass(frozen=True)
class OnePass:
    """How ``dynamic.cu`` walks one tensor: extents in rows and vectors."""

    program: AffineProgram
    team: Team
    rows: int
    columns: int
    block_rows: int
    block_columns: int

    @property
    def across(self) -> int:
        """Blocks side by side."""
        return -(-self.columns // self.block_columns)

    @property
    def blocks(self) -> int:
        return self.across * -(-self.rows // self.block_rows)

    def specialisation(self) -> Specialisation:
        """Its compilation."""
        team = self.team
        return dynamic_specialisation(self.program, ONE_PASS).changed(
            *("LAYOUT", "UNROLL"),  # this source walks in its own way
            TEAM=team.lanes,
            HELD=team.held,
            THREADS=team.threads,
            TALL=int(self.block_rows > 1),
        )


def one_pass(scheme: OperandScheme, tiling: Tiling, dtype: str, team: Team | None = None) -> OnePass | None:
    """None where a block does not fit a thread block's registers, vectors cross the border of a block, or there is none."""
    program = affine_program(scheme, tiling, dtype, writes_codes=True)
    if program is None or not program.width or program.layout.kind == "column" or not math.prod(tiling.shape):
        return None
    width, (e0, e1, e2), (b0, b1, b2) = program.width, program.layout.extents, program.layout.block
    if e2 % width or (b2 % width and b2 < e2):
        return None
    if program.layout.kind == "one":
        rows, block_rows, columns, block_columns = 1, 1, e0 * e1 * e2 // width, b0 * b1 * b2 // width
    elif b0 > 1 or (e0 > 1 and e1 % b1):
        return None
    else:
        rows, block_rows, columns, block_columns = e0 * e1, b1, e2 // width, -(-b2 // width)
    chosen = team or _team(block_rows, block_columns, max(1, width * VALUE_TYPES[dtype].bytes // 16))
    return None if chosen is None else OnePass(program, chosen, rows, columns, block_rows, block_columns)


def _team(rows: int, columns: int, loads: int) -> Team | None:
    """The team for blocks of so many rows and vectors a row, ``loads`` of 16 bytes a vector. A step of it must be whole rows."""
    vectors, row = rows * columns, columns if rows > 1 else 1
    # Two loads a thread hide more of the memory's latency than one; four in whole thread blocks, and eight only where those
    # would have more than 512 threads.
    lanes = min(WARP, max(1, 1 << (vectors - 1).bit_length() >> (loads == 1)))
    if vectors * loads <= lanes * _WARP_LOADS and lanes % row == 0:
        return Team(lanes, _THREADS, -(-vectors // lanes))
    for held, most in ((_LOADS, 512), (_MOST_LOADS, 1024)):
        for lanes in _TEAMS:
            if vectors * loads <= lanes * held and lanes % row == 0 and lanes <= most:
                return Team(lanes, lanes, -(-vectors // lanes))
    return None


def dynamic_specialisation(program: AffineProgram, source: str) -> Specialisation:
    """That of a walk that makes scales too."""
    return program.specialisation(source, signed=False).changed(**scale_macros(program.scheme))


def _one_pass_of(request: Request) -> OnePass | None:
    return one_pass(*of_tensor(request))


def specialise_one_pass(request: Request) -> Specialisation:
    return planned(_one_pass_of(request)).specialisation()


def specialise_two_pass(request: Request) -> Specialisation:
    return dynamic_specialisation(planned(affine_program(*of_tensor(request), writes_codes=True)), TWO_PASS)


def takes_one_pass(request: Request, device: Device) -> str | None:
    """What ``dynamic`` takes."""
    if reason := _dynamic(request, device):
        return reason
    if _one_pass_of(request) is None:
        return "holds a block in registers: one to 8192 loads of 16 bytes, rows and blocks of whole loads"
    scheme, _ = quantized(request, "tensor")
    return two_levels_symmetric(scheme)


def takes_two_pass(request: Request, device: Device) -> str | None:
    """What ``dynamic_two_pass`` takes."""
    if reason := _dynamic(request, device):
        return reason
    scheme, _ = quantized(request, "tensor")
    return one_level(scheme)


def _dynamic(request: Request, device: Device) -> str | None:
    scheme, missing = quantized(request, "tensor")
    if missing:
        return missing
    if scheme.range != "dynamic":
        return "finds the range itself: takes no static range of the tensor"
    if scheme.calibration != "minmax":
        return f"finds the observed range, not {scheme.calibration}"
    plan = request["tensor"]
    return affine({**request, "tensor": replace(plan, scheme=replace(scheme, range="static"))}, device)

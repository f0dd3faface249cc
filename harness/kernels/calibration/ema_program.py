"""ema_minmax.cu: which requests it takes, how it is compiled, and how its batches are dealt to threads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.device import Device
from harness.kernels.calibration.program import CalibrationProgram, calibration_program, power_of_two, walked
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.shared_blocks import WARP, share_blocks
from harness.kernels.common.supports import of_tensor, planned, quantized
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

EMA_MINMAX = "calibration/ema_minmax.cu"
_MOST_BATCHES = 1024
"""``MOST_BATCHES`` of ema_minmax.cu."""
_LOADS = 2
"""Of a thread, of a batch (measured for quantize/dynamic.cu, NOTES.md there)."""
_SPLIT_LOADS = 4
"""Of a thread, at least, of a batch that several groups of threads share."""
_COLUMN_ROWS = 16
"""Rows at least that a thread has of a batch of its columns before more threads share them (as ``minmax``)."""


@dataclass(frozen=True)
class EmaProgram:
    """The walk; batches of a whole block, vectors (of columns: rows) of a batch, and threads that have one together."""

    program: CalibrationProgram
    batches: int
    batch: int
    group: int

    @property
    def specialisation(self) -> Specialisation:
        return self.program.specialisation(EMA_MINMAX, GROUP=self.group)


@dataclass(frozen=True)
class EmaShares:
    """Thread blocks of a launch, how many share a scale block, and the groups of threads that share a batch."""

    grid: int | tuple[int, int]
    parts: int
    splits: int


def ema_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> EmaProgram | None:
    """None where no kernel walks. Batches that end within a vector are taken element by element."""
    found = calibration_program(scheme, tiling, dtype)
    if found is None:
        return None
    asked = scheme.calibrator.batches
    assert asked is not None, "a moving average has batches"
    elements = -(-found.block_elements // asked)
    batches = -(-found.block_elements // elements)
    if found.is_column:
        return EmaProgram(found, batches, elements, 1)
    if elements % max(1, found.program.width):
        found = replace(found, program=replace(found.program, width=0))
    vectors = elements // max(1, found.program.width)
    group = min(WARP, power_of_two(-(-vectors // _LOADS)))
    return EmaProgram(found if found.team == THREADS else replace(found, team=group), batches, vectors, group)


def share_batches(plan: EmaProgram, blocks: int, elements: int, threads: int) -> EmaShares:
    """For ``blocks`` scale blocks of ``elements`` in all, where about ``threads`` fill the device."""
    walk = plan.program
    if walk.is_column:
        across = -(-walk.program.block_arguments[1] // walk.team)
        wanted = threads // (across * plan.batches * THREADS)
        splits = max(1, min(wanted, plan.batch // (_COLUMN_ROWS * (THREADS // walk.team))))
        return EmaShares((across, plan.batches * splits), plan.batches * splits, splits)
    if walk.team < THREADS:
        return EmaShares(-(-blocks * walk.team // THREADS), 1, 1)
    most = share_blocks(threads, blocks, elements // max(1, walk.program.width), THREADS).parts
    groups = THREADS // plan.group
    # Rounded down: a few units more than groups would have all wait for the second ones of a few.
    splits = max(1, min(most * groups // plan.batches, plan.batch // (_SPLIT_LOADS * plan.group)))
    parts = min(most, -(-plan.batches * splits // groups))
    return EmaShares(blocks * parts, parts, splits)


def specialise_ema_minmax(request: Request) -> Specialisation:
    return planned(ema_program(*of_tensor(request))).specialisation


def takes_ema_minmax(request: Request, device: Device) -> str | None:
    """What ``ema_minmax`` takes."""
    if reason := walked(request, "ema_minmax"):
        return reason
    scheme, _ = quantized(request, "tensor")
    if (scheme.calibrator.batches or 0) > _MOST_BATCHES:
        return f"holds the ranges of at most {_MOST_BATCHES} batches in shared memory"
    return None

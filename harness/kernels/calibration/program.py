"""The CUDA kernels of calibration: which requests they take, and how each is compiled.

They share one walk (``calibration/block_place.cuh``): a team of threads has a scale block, or one of several parts of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.device import Device
from harness.kernels.common.affine_program import (
    NOT_WALKED,
    THREADS,
    AffineProgram,
    affine_program,
    scale_macros,
)
from harness.kernels.common.shared_blocks import WARP
from harness.kernels.common.supports import of_tensor, one_level, planned, quantized, static, two_levels_symmetric
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

MINMAX = "calibration/minmax.cu"
PERCENTILE = "calibration/percentile.cu"
KL = "calibration/kl.cu"

LARGE_BLOCK = 1 << 16
"""Elements of a block from which its histogram is worth several copies."""


@dataclass(frozen=True)
class CalibrationProgram:
    """A tensor's walk, and the threads (a power of two, at most a thread block's) that have a block together; in the layout
    ``column`` those side by side."""

    program: AffineProgram
    team: int
    smallest_block: int
    block_elements: int
    """Of a whole block."""

    @property
    def is_column(self) -> bool:
        return self.program.layout.kind == "column"

    def specialisation(self, source: str, **macros: int) -> Specialisation:
        """Formats differ by limits that are arguments, except a two-level one, which has no zero."""
        scheme = self.program.scheme
        made = self.program.specialisation(source, signed=False)
        return made.changed(
            *("UNROLL", "BITS", "EXPONENT", "MANTISSA"),
            ELEMENT=int(scheme.element.kind == "binary"),
            TEAM=self.team,
            **scale_macros(scheme),
        ).changed(**macros)


def calibration_program(
    scheme: OperandScheme, tiling: Tiling, dtype: str, *, single: bool = False, team: int | None = None
) -> CalibrationProgram | None:
    """None where the blocks are laid out as no kernel walks. ``single``: elements of columns are taken one by one."""
    program = affine_program(scheme, tiling, dtype)
    if program is None:
        return None
    layout = program.layout
    elements = math.prod(layout.block)
    if layout.kind == "column":
        program = replace(program, width=0) if single else program
        chosen = THREADS if single else power_of_two(-(-layout.extents[2] // max(1, program.width)))
    else:
        vectors = -(-elements // max(1, program.width))
        # Two loads a thread hide more of the memory's latency than one (measured for quantize, NOTES.md there).
        lanes = power_of_two(-(-vectors // 2))
        chosen = lanes if lanes <= WARP else THREADS
    return CalibrationProgram(program, team or min(chosen, THREADS), tiling.smallest_block, elements)


def power_of_two(least: int) -> int:
    """The least power of two that is no less."""
    return 1 << max(0, least - 1).bit_length()


def walked(request: Request, kind: str) -> str | None:
    """What every kernel here asks for: a static range found by calibrations of that ``kind``, blocks that kernels walk."""
    scheme, missing = quantized(request, "tensor")
    if reason := missing or static(scheme, "tensor"):
        return reason
    if scheme.calibrator.kind != kind:
        return f"calibrates by {kind}, not {scheme.calibration}"
    return two_levels_symmetric(scheme) or (NOT_WALKED if affine_program(*of_tensor(request)) is None else None)


def takes_minmax(request: Request, device: Device) -> str | None:
    """What ``minmax`` takes."""
    return walked(request, "minmax")


def specialise_minmax(request: Request) -> Specialisation:
    return planned(calibration_program(*of_tensor(request))).specialisation(MINMAX)


_HELD_MOST = 32
"""Keys a lane of a warp that holds its block: with eight warps they take 32 KiB of shared memory."""
_COPIES = 4
_RATIO_LIMIT = 1 << 31


def percentile_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> tuple[CalibrationProgram, int] | None:
    """The walk, and how many keys each lane of a warp holds (0: blocks too large for that); None where no kernel walks."""
    found = calibration_program(scheme, tiling, dtype, single=True, team=WARP)
    if found is None:
        return None
    width = max(1, found.program.width)
    # The tensor's last, short vector adds one element a lane.
    held = -(-found.block_elements // (width * WARP)) * width + (width > 1)
    if held <= _HELD_MOST:
        return found, power_of_two(held)
    return replace(found, team=THREADS), 0


def percentile_ratio(scheme: OperandScheme) -> tuple[int, int]:
    """P / 100 in lowest terms."""
    argument = scheme.calibrator.argument
    assert argument is not None, "percentile has an argument"
    return (argument / 100).as_integer_ratio()


def percentile_specialisation(program: CalibrationProgram, held: int) -> Specialisation:
    """Its compilation."""
    if held:
        return program.specialisation(PERCENTILE, HELD=held)
    tails = 1 + int(not program.program.scheme.symmetric)
    copies = _COPIES if program.block_elements >= LARGE_BLOCK else tails
    return program.specialisation(PERCENTILE, HELD=0, COPIES=copies)


def specialise_percentile(request: Request) -> Specialisation:
    return percentile_specialisation(*planned(percentile_program(*of_tensor(request))))


def takes_percentile(request: Request, device: Device) -> str | None:
    """What ``percentile`` takes."""
    if reason := walked(request, "percentile"):
        return reason
    scheme, _ = quantized(request, "tensor")
    # Ranks are made in 64 bits: numerator times fewer than 2^32 elements.
    if max(percentile_ratio(scheme)) >= _RATIO_LIMIT:
        return "takes percentiles of at most seven decimals"
    return None


_MOST_BINS = 4096
_SHARED_COUNTS = 8192
"""Counts that a thread block's histograms have room for: 32 KiB."""


def kl_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> CalibrationProgram | None:
    """The walk of thread blocks; None where no kernel walks."""
    return calibration_program(scheme, tiling, dtype, single=True, team=THREADS)


def kl_bins(scheme: OperandScheme) -> int:
    """Bins of the histogram."""
    return int(scheme.calibrator.argument or 0)


def kl_specialisation(program: CalibrationProgram) -> Specialisation:
    """Its compilation."""
    bins = kl_bins(program.program.scheme)
    copies = min(_COPIES, _SHARED_COUNTS // bins) if program.block_elements >= LARGE_BLOCK else 1
    return program.specialisation(KL, BINS=bins, COPIES=copies)


def specialise_kl(request: Request) -> Specialisation:
    return kl_specialisation(planned(kl_program(*of_tensor(request))))


def takes_kl(request: Request, device: Device) -> str | None:
    """What ``kl`` takes."""
    if reason := walked(request, "kl"):
        return reason
    scheme, _ = quantized(request, "tensor")
    if kl_bins(scheme) > _MOST_BINS:
        return f"holds histograms of at most {_MOST_BINS} bins in shared memory"
    return one_level(scheme)

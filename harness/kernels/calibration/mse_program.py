"""mse.cu: which requests it takes, how it is compiled, and how it searches."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.device import Device
from harness.kernels.calibration.program import CalibrationProgram, calibration_program, walked
from harness.kernels.common.affine_program import THREADS, element_macros
from harness.kernels.common.shared_blocks import WARP
from harness.kernels.common.supports import of_tensor, one_level, planned, quantized
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

MSE = "calibration/mse.cu"
CANDIDATES = 16
"""``CANDIDATES`` of mse_sums.cuh."""
_NEAR_ROUNDS, _NEAR_ROUNDS_AFFINE = 5, 7
"""``BEST`` and ``NARROWINGS`` rounds of mse.cu and mse_affine.cuh look around the best scales, one more of the latter at the
zero points next to the best."""
_POINTS_A_LEVEL, _FEWEST_POINTS = 16, 512
"""Scales spread evenly, for each level of an integer format; and of other formats (NOTES.md)."""
_SMALL_BLOCK = 1 << 12
_TINY_BLOCK, _TINY_POINTS = 16, 8
"""Elements of blocks that, with zero points, get so many times the scales (NOTES.md)."""
_POWER_ROUNDS = 2
"""Powers of two from the largest scale down to 2^-31 of it."""
_HALVINGS, _HALVINGS_ALONE = 14, 20
"""Of what brackets a zero point's balance: where a step of Newton follows, and where none does."""
_LEAST_TEAM, _WARP_VECTORS = 8, 1024


@dataclass(frozen=True)
class MseProgram:
    """A walk, and the search over it: scales spread evenly, and reads of a block in all (of sixteen candidates each)."""

    program: CalibrationProgram
    points: int

    @property
    def scheme(self) -> OperandScheme:
        return self.program.program.scheme

    @property
    def halvings(self) -> int:
        """Reads that halve brackets, at a time; of asymmetric schemes."""
        return _HALVINGS_ALONE if self.scheme.scales.power_of_two else _HALVINGS

    @property
    def steps(self) -> int:
        """Reads, the range's left out."""
        evenly = self.points // CANDIDATES
        if self.scheme.symmetric:
            return _POWER_ROUNDS if self.scheme.scales.power_of_two else 1 + evenly + _NEAR_ROUNDS
        if self.scheme.scales.power_of_two:
            return _POWER_ROUNDS * (self.halvings + 1)
        # Coarse scales, the curve, and two reads for each further round.
        return 2 * self.halvings + 1 + 2 * (evenly + _NEAR_ROUNDS_AFFINE)

    def specialisation(self) -> Specialisation:
        """Its compilation: here the elements' format counts."""
        return self.program.specialisation(MSE, **element_macros(self.scheme.element, signed=False))


def mse_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> MseProgram | None:
    """None where no kernel walks. The fewer elements, the less smooth their error: small blocks get more points."""
    found = calibration_program(scheme, tiling, dtype, single=True)
    if found is None:
        return None
    vectors = -(-found.block_elements // max(1, found.program.width))
    if found.is_column:
        team = THREADS
    elif found.team > WARP:
        team = WARP if vectors <= _WARP_VECTORS else THREADS
    else:
        team = max(_LEAST_TEAM, found.team)
    return MseProgram(replace(found, team=team), _points(scheme, found.block_elements))


def _points(scheme: OperandScheme, elements: int) -> int:
    """The more levels, the more often some code changes as the scale does; of many elements each matters less."""
    element = scheme.element
    most = _POINTS_A_LEVEL * (element.levels if element.is_integer else 0)
    if not scheme.symmetric and elements <= _TINY_BLOCK:
        most *= _TINY_POINTS
    return max(_FEWEST_POINTS, most if elements <= _SMALL_BLOCK else most // 4)


def specialise_mse(request: Request) -> Specialisation:
    return planned(mse_program(*of_tensor(request))).specialisation()


def takes_mse(request: Request, device: Device) -> str | None:
    """What ``mse`` takes."""
    if reason := walked(request, "mse"):
        return reason
    scheme, _ = quantized(request, "tensor")
    return one_level(scheme)

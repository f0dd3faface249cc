"""The CUDA kernels of calibration on the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel, Output
from harness.backends.cuda.session import Session, session
from harness.device import Device
from harness.kernels.calibration.mse_program import CANDIDATES, mse_program
from harness.kernels.calibration.program import (
    MINMAX,
    CalibrationProgram,
    calibration_program,
    kl_bins,
    kl_program,
    kl_specialisation,
    percentile_program,
    percentile_ratio,
    percentile_specialisation,
)
from harness.kernels.common.affine_kernel import read_scales, scale_target, stored_scales
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.shared_blocks import WARP, share_blocks
from harness.kernels.common.supports import planned
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.specialisation import Specialisation
from harness.numerics.calibrate import QuantParams
from harness.numerics.scales import Scales, global_scale_of

_WARPS_A_MULTIPROCESSOR = 64
_ROWS = 16
"""Rows at least that a thread has of its columns before more threads share them."""
_SEARCHES_A_MULTIPROCESSOR = 8
"""Thread blocks that look for a threshold at once."""
_SEARCH, _SEARCH_AFFINE = 10, 78
"""The numbers in ``Search`` of mse.cu and mse_affine.cuh."""
_DIGIT_BITS = 11
_DIGIT = 1 << _DIGIT_BITS
"""``DIGIT_BITS`` and ``BINS`` of percentile.cu."""


class Calibration(CudaKernel):
    """Values in; scales and zero points out. ``keeps_ranges``: the range of every block is wanted besides. ``sharing``:
    thread blocks and the parts of a scale block, where the kernel has one launch and shares it out its own way."""

    single = False
    keeps_ranges = False

    def __init__(
        self,
        problem: TensorProblem,
        device: Device,
        program: CalibrationProgram,
        scratch: dict[str, Output],
        sharing: tuple[int | tuple[int, int], int] | None = None,
    ):
        self.problem, self.program = problem, program
        scheme = problem.quantized.scheme
        self.blocks = problem.quantized.params.scale.size
        self._two_level = scheme.scales.two_level
        self.grid, self.parts = sharing or share(problem, device, program, single=self.single)
        self._range_grid, self._range_parts = sharing or share(problem, device, program, single=False)
        outputs = {"scales": Output((self.blocks,), stored_scales(problem).dtype)}
        if not scheme.symmetric:
            outputs["zeros"] = Output((self.blocks,), np.float32)
        if self._two_level or self.keeps_ranges:
            outputs["ranges"] = Output((self.blocks, 2), np.float32)
        # One buffer, cleared by one fill: what counts and finds largest values starts from 0.
        outputs["cleared"] = Output((3 * self.blocks + 1,), np.uint32)
        super().__init__(device, {"x": problem.type.store(problem.finite).ravel()}, {**outputs, **scratch})
        self.count = np.uint64(problem.values.size)
        self.target = scale_target(scheme)
        self.geometry = tuple(np.uint32(each) for each in program.program.block_arguments)
        self.shared = (np.uint32(self.blocks), np.uint32(self.parts))

    def made(self, arrays: Arrays, *, keep: bool = True) -> tuple[Any, ...]:
        """CALIBRATED_PARAMETERS of ``common/put_scale.cuh``; ``keep``: ranges go where they are wanted, if they are."""
        zeros, ranges = arrays.get("zeros", NULL), arrays.get("ranges", NULL) if keep else NULL
        return arrays["scales"], zeros, ranges, arrays["cleared"][3 * self.blocks :], *self.target

    def find_ranges(self, arrays: Arrays, kernel: Any) -> None:
        """Ranges, and the scales that they make where those have one level."""
        cleared = arrays["cleared"]
        scratch = (cleared[: 2 * self.blocks], self.tickets(arrays))
        shared = (self.shared[0], np.uint32(self._range_parts))
        operands = (arrays["x"], *scratch, *self.made(arrays), self.count, *shared, *self.geometry)
        self.session.launch(kernel, self._range_grid, THREADS, *operands)

    def tickets(self, arrays: Arrays) -> Any:
        """A count of parts that have arrived, one a block."""
        return arrays["cleared"][2 * self.blocks : 3 * self.blocks]

    def clear(self, arrays: Arrays) -> None:
        """Only what is used: teams that have whole blocks share nothing."""
        if max(self.parts, self._range_parts) > 1 or self.program.is_column or self._two_level:
            arrays["cleared"].data.memset_async(0, arrays["cleared"].nbytes)

    def finish_scales(self, arrays: Arrays, kernel: Any) -> None:
        """Scales of two levels, once the tensor's largest magnitude is known."""
        if self._two_level:
            self.session.launch(kernel, -(-self.blocks // THREADS), THREADS, *self.made(arrays), self.shared[0])

    def entries(self, specialisation: Specialisation, *names: str) -> tuple[Any, ...]:
        """Kernels by name; ``make_scales`` last, None where scales have one level."""
        found = tuple(self.session.kernel(specialisation, name) for name in names)
        return *found, self.session.kernel(specialisation, "make_scales") if self._two_level else None

    def output(self) -> QuantParams:
        params, scheme = self.problem.quantized.params, self.problem.quantized.scheme
        scale = read_scales(scheme.scale_format, self.array("scales"), self._whole()).reshape(params.scale.shape)
        if scheme.symmetric:
            return QuantParams(Scales(scale), None)
        return QuantParams(Scales(scale), self.array("zeros").astype(np.int32).reshape(params.scale.shape))

    def _whole(self) -> float:
        if not self._two_level:
            return 1.0
        top = self.array("cleared")[-1:].view(np.float32)
        return float(global_scale_of(top, self.problem.quantized.scheme.element.largest))


class MinMax(Calibration):
    """The observed range."""

    def __init__(self, problem: TensorProblem, device: Device, program: CalibrationProgram | None = None) -> None:
        quantized = problem.quantized
        found = program or planned(calibration_program(quantized.scheme, quantized.tiling, problem.type.name))
        super().__init__(problem, device, found, {})
        self._find, self._make = self.entries(self.program.specialisation(MINMAX), "find_range")

    def launch_on(self, arrays: Arrays) -> None:
        self.clear(arrays)
        self.find_ranges(arrays, self._find)
        self.finish_scales(arrays, self._make)


class Percentile(Calibration):
    """Order statistics by radix selection; of small blocks in one read."""

    single = True

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        quantized = problem.quantized
        program, self._held = planned(percentile_program(quantized.scheme, quantized.tiling, problem.type.name))
        tails = 1 if quantized.scheme.symmetric else 2
        blocks = problem.quantized.params.scale.size
        scratch = {} if self._held else {"selections": Output((blocks, tails, 2), np.uint32)}
        self._shares = not self._held and share(problem, device, program, single=True)[1] > 1
        if self._shares:
            scratch["totals"] = Output((blocks, tails, _DIGIT), np.uint32)
        super().__init__(problem, device, program, scratch)
        self._select, self._make = self.entries(percentile_specialisation(program, self._held), "select_rank")
        self._ratio = tuple(np.uint64(each) for each in percentile_ratio(quantized.scheme))
        bits = problem.type.bytes * 8 - int(quantized.scheme.symmetric)
        self._digits = -(-bits // _DIGIT_BITS)

    def launch_on(self, arrays: Arrays) -> None:
        self.clear(arrays)
        if self._held:
            operands = (arrays["x"], *self.made(arrays), self.count, self.shared[0], *self._ratio, *self.geometry)
            self.session.launch(self._select, self.grid, THREADS, *operands)
        elif self._shares:
            arrays["totals"].data.memset_async(0, arrays["totals"].nbytes)
            for digit in range(self._digits):
                self._pass(arrays, arrays["totals"], digit, digit + 1)
        else:
            self._pass(arrays, NULL, 0, self._digits)
        self.finish_scales(arrays, self._make)

    def _pass(self, arrays: Arrays, totals: Any, first: int, last: int) -> None:
        """The digits from ``first`` to before ``last``."""
        scratch = (totals, arrays["selections"], self.tickets(arrays))
        digits = (np.uint32(first), np.uint32(last))
        operands = (*scratch, *self.made(arrays), self.count, *self.shared, *self._ratio, *digits, *self.geometry)
        self.session.launch(self._select, self.grid, THREADS, arrays["x"], *operands)


class Kl(Calibration):
    """The amplitude of least KL divergence of histograms."""

    single = True
    keeps_ranges = True

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        scheme = problem.quantized.scheme
        program = planned(kl_program(scheme, problem.quantized.tiling, problem.type.name))
        blocks, bins = problem.quantized.params.scale.size, kl_bins(scheme)
        counts, divergences = Output((blocks, bins), np.uint32), Output((blocks, bins), np.float64)
        super().__init__(problem, device, program, {"counts": counts, "divergences": divergences})
        names = ("find_range", "count_magnitudes", "diverge", "choose_kept")
        *self._kernels, _ = self.entries(kl_specialisation(program), *names)
        self._levels = np.uint32(1 << scheme.element.bits - int(scheme.symmetric and scheme.element.signed))
        # Enough thread blocks to fill the device with candidates, a warp each.
        wanted = -(-self.session.multiprocessors * _SEARCHES_A_MULTIPROCESSOR // blocks)
        self._search_grid = (blocks, max(1, min(wanted, bins * WARP // THREADS)))

    def launch_on(self, arrays: Arrays) -> None:
        find, count, diverge, choose = self._kernels
        ranges, counts, divergences = arrays["ranges"], arrays["counts"], arrays["divergences"]
        self.clear(arrays)
        self.find_ranges(arrays, find)
        if self.parts > 1:
            counts.data.memset_async(0, counts.nbytes)
        launch, walk = self.session.launch, (self.count, self.shared[1], *self.geometry)
        launch(count, self.blocks * self.parts, THREADS, arrays["x"], ranges, counts, *walk)
        launch(diverge, self._search_grid, THREADS, counts, ranges, divergences, self._levels)
        launch(choose, self.blocks, THREADS, divergences, ranges, self._levels, *self.made(arrays, keep=False))


class Mse(Calibration):
    """The scale, and zero point, of least squared error."""

    single = True
    keeps_ranges = True

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        quantized = problem.quantized
        plan = planned(mse_program(quantized.scheme, quantized.tiling, problem.type.name))
        program, blocks, symmetric = plan.program, quantized.params.scale.size, quantized.scheme.symmetric
        scratch = {}
        parts = share(problem, device, program, single=True)[1]
        if parts > 1:
            scratch["rows"] = Output((blocks, parts, 2 * CANDIDATES), np.float64)
            scratch["searches"] = Output((blocks, _SEARCH if symmetric else _SEARCH_AFFINE), np.float64)
        super().__init__(problem, device, program, scratch)
        search = "search_scale" if symmetric else "search_affine"
        self._find, self._search, _ = self.entries(plan.specialisation(), "find_range", search)
        self._plan = tuple(np.uint32(each) for each in ((plan.points,) if symmetric else (plan.points, plan.halvings)))
        self._steps = plan.steps

    def launch_on(self, arrays: Arrays) -> None:
        self.clear(arrays)
        self.find_ranges(arrays, self._find)
        if self.parts == 1:
            self._pass(arrays, 0, self._steps)
            return
        for number in range(self._steps):
            self._pass(arrays, number, number + 1)

    def _pass(self, arrays: Arrays, first: int, last: int) -> None:
        """The reads from ``first`` to before ``last``."""
        scratch = (arrays.get("rows", NULL), arrays.get("searches", NULL), self.tickets(arrays))
        steps = (*self._plan, *map(np.uint32, (first, last, self._steps)))
        operands = (*scratch, *self.made(arrays, keep=False), self.count, *self.shared, *steps, *self.geometry)
        self.session.launch(self._search, self.grid, THREADS, arrays["x"], arrays["ranges"], *operands)


def device_threads(own: Session) -> int:
    """Threads that fill the device."""
    return own.multiprocessors * _WARPS_A_MULTIPROCESSOR * WARP


def share(
    problem: TensorProblem, device: Device, walk: CalibrationProgram, *, single: bool
) -> tuple[int | tuple[int, int], int]:
    """Thread blocks of a walk, and the parts that a scale block is dealt to."""
    program, team = walk.program, walk.team
    threads = device_threads(session(device))
    blocks = problem.quantized.params.scale.size
    if walk.is_column and not single:
        across, rows = -(-program.block_arguments[1] // team), program.layout.extents[1]
        deep = max(1, min(-(-threads // (across * THREADS)), rows // (_ROWS * (THREADS // team))))
        return (across, deep), deep
    if team < THREADS:
        return -(-blocks * team // THREADS), 1
    sharing = share_blocks(threads, blocks, -(-problem.values.size // (program.width or 1)), team)
    assert isinstance(sharing.grid, int), "blocks are dealt along one axis"
    return sharing.grid, sharing.parts

"""statistics.cu on the device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.backends.cuda.kernel import Arrays, Output
from harness.backends.cuda.session import session
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel, stored_codes
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.statistics.measured import FIGURES, Measured, figures_of
from harness.kernels.statistics.program import share, statistics_program
from harness.numerics.quantize import outermost
from harness.numerics.scheme import OperandScheme

_PART = _PEAK = 2
_MARGIN = 0.9999
"""Of half a code: a saturated value is at least that far from whatever a code stands for (``tally.cuh``)."""


class Statistics(AffineKernel):
    """Tensor and the oracle's codes → figures and counts of codes, in one read. Where scale blocks are shared by teams of
    threads, a second small launch finds the worst of them. ``macros`` replace those of the specialisation."""

    def __init__(
        self,
        problem: TensorProblem,
        device: Device,
        blocks_a_multiprocessor: int | None = None,
        macros: Mapping[str, int] | None = None,
    ) -> None:
        quantized, own = problem.quantized, session(device)
        found = statistics_program(quantized.scheme, quantized.tiling, problem.type.name)
        assert found is not None, "planned for a layout that kernels walk"
        specialisation = found.specialisation.changed(**(macros or {}))
        measure = own.kernel(specialisation, "measure")
        # As many blocks as are resident at once: a block more would run alone, after all others.
        resident = blocks_a_multiprocessor or measure.occupancy.max_active_blocks_per_multiprocessor(THREADS, 0)
        self._blocks = quantized.params.scale.size
        self._shares = share(found, self._blocks, own.multiprocessors * resident)
        # Worst blocks are looked for in a launch of their own, a thread each.
        self._searchers = (
            -(-self._blocks // THREADS) if self._shares.parts > 1 and found.program.layout.kind != "one" else 0
        )
        codes = 1 << quantized.scheme.element.bits
        operands = {
            "x": problem.type.store(problem.values).ravel(),
            "codes": stored_codes(problem),
            "counters": np.zeros(1 + codes, np.uint32),  # 0 again after each launch
        }
        outputs = {
            "rows": Output((self._shares.grid, FIGURES), np.float64),
            "total": Output((FIGURES,), np.float64),
            "counts": Output((codes,), np.uint32),
        }
        if self._searchers:
            outputs["parts"] = Output((self._shares.parts * self._blocks, _PART), np.float64)
            outputs["peaks"] = Output((self._searchers, _PEAK), np.float64)
        super().__init__(problem, device, operands, outputs, found.program)
        self._measure = self.compiled(specialisation, "measure")
        self._worst = self.compiled(specialisation, "worst") if self._searchers else None
        self._range = _range(quantized.scheme)

    def launch_on(self, arrays: Arrays) -> None:
        parts = arrays.get("parts", np.uint64(0))
        split = (np.uint32(self._blocks), np.uint32(self._shares.parts))
        operands = (arrays["x"], arrays["codes"], *self.scaling(arrays))
        results = (arrays["rows"], parts, arrays["counters"], arrays["total"], arrays["counts"])
        numbers = (self.count, *self._range, *split, *self.blocks)
        self.session.launch(self._measure, self._shares.grid, THREADS, *operands, *results, *numbers)
        if self._worst:
            found = (parts, arrays["peaks"], arrays["counters"], arrays["total"])
            self.session.launch(self._worst, self._searchers, THREADS, *found, self.count, *split, *self.blocks)

    def output(self) -> Measured:
        figures = figures_of(self.array("total"), int(self.count), self.problem.bits_per_element)
        return Measured(figures, self.array("counts"))


def _range(scheme: OperandScheme) -> tuple[np.float32, np.float32, np.float32]:
    """Lowest and highest value that is not saturated, as f32 that comparing with is comparing with the limits in f64; and
    the distance from the codes beyond which a value may be saturated."""
    limits, element = outermost(scheme), scheme.element
    lowest, highest = (np.float32(each) for each in limits)
    low, high = element.limits(scheme.narrow_range) if element.is_integer else (element.values[0], element.values[-1])
    return (
        np.nextafter(lowest, np.float32(np.inf)) if lowest < limits[0] else lowest,
        np.nextafter(highest, np.float32(-np.inf)) if highest > limits[1] else highest,
        np.float32(_MARGIN * min(low - limits[0], limits[1] - high)),
    )

"""statistics.cu on the device."""

from __future__ import annotations

import numpy as np

from harness.backends.cuda.kernel import Arrays, Output
from harness.backends.cuda.session import session
from harness.device import Device
from harness.kernels.common.affine_kernel import AffineKernel, program_of, stored_codes
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.family import Metrics
from harness.kernels.statistics.spec import SOURCE
from harness.numerics.metrics import decibel
from harness.numerics.quantize import outermost

_FIGURES = 7


class Statistics(AffineKernel):
    """Tensor and the oracle's codes → sums in one read, then a second small launch that adds the blocks' rows up."""

    def __init__(self, problem: TensorProblem, device: Device, blocks_a_multiprocessor: int | None = None) -> None:
        specialisation, own = program_of(problem).specialisation(SOURCE, signed=True), session(device)
        self._measure = own.kernel(specialisation, "measure")
        self._finish = own.kernel(specialisation, "finish")
        # As many blocks as are resident at once: a block more would run alone, after all others.
        resident = blocks_a_multiprocessor or self._measure.occupancy.max_active_blocks_per_multiprocessor(THREADS, 0)
        rows = min(own.multiprocessors * resident, -(-problem.values.size // THREADS))
        operands = {"x": problem.type.store(problem.values).ravel(), "codes": stored_codes(problem)}
        figures = {"rows": Output((rows, _FIGURES), np.float64), "total": Output((_FIGURES,), np.float64)}
        super().__init__(problem, device, operands, figures)
        self._outermost = _as_compared(outermost(problem.quantized.scheme))

    def launch_on(self, arrays: Arrays) -> None:
        operands = (arrays["x"], arrays["codes"], *self.scaling(arrays), arrays["rows"])
        rows = arrays["rows"].shape[0]
        self.session.launch(self._measure, rows, THREADS, *operands, self.count, *self._outermost, *self.blocks)
        self.session.launch(self._finish, 1, THREADS, arrays["rows"], arrays["total"], np.uint32(rows))

    def output(self) -> Metrics:
        rounding, clipping, signal, largest, saturated, nan, inf = (float(each) for each in self.array("total"))
        counts = {"nan_count": int(nan), "inf_count": int(inf), "bits_per_element": self.problem.bits_per_element}
        counted = int(self.count) - int(nan) - int(inf)
        if not counted:
            return counts
        return {
            "sqnr_db": decibel(signal, rounding + clipping),
            "mse": (rounding + clipping) / counted,
            "max_abs_error": largest,
            "saturated_fraction": saturated / counted,
            "rounding_mse": rounding / counted,
            "clipping_mse": clipping / counted,
            **counts,
        }


def _as_compared(limits: tuple[float, float]) -> tuple[np.float32, np.float32]:
    """The f32 that no f32 lies between and the limits: comparing with them is comparing with the limits in f64."""
    lowest, highest = (np.float32(each) for each in limits)
    return (
        np.nextafter(lowest, np.float32(np.inf)) if lowest < limits[0] else lowest,
        np.nextafter(highest, np.float32(-np.inf)) if highest > limits[1] else highest,
    )

"""ema_minmax.cu on the device."""

from __future__ import annotations

import numpy as np

from harness.backends.cuda.kernel import NULL, Arrays, Output
from harness.backends.cuda.session import session
from harness.device import Device
from harness.kernels.calibration.cuda import Calibration, device_threads
from harness.kernels.calibration.ema_program import ema_program, share_batches
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.supports import planned
from harness.kernels.common.tensor_problem import TensorProblem


class EmaMinMax(Calibration):
    """The moving average of batches' ranges."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        quantized = problem.quantized
        plan = planned(ema_program(quantized.scheme, quantized.tiling, problem.type.name))
        blocks = quantized.params.scale.size
        shares = share_batches(plan, blocks, problem.values.size, device_threads(session(device)))
        self._meet = plan.program.is_column or shares.parts > 1
        scratch = {"keys": Output((blocks * plan.batches * 2,), np.uint32)} if self._meet else {}
        super().__init__(problem, device, plan.program, scratch, (shares.grid, shares.parts))
        self._average, self._make = self.entries(plan.specialisation, "average_ranges")
        argument = quantized.scheme.calibrator.argument
        assert argument is not None, "a moving average has a weight"
        batches = (np.uint32(each) for each in (plan.batches, plan.batch, shares.splits))
        self._batches = (*batches, np.float32(float(argument)))

    def launch_on(self, arrays: Arrays) -> None:
        self.clear(arrays)
        if self._meet:
            arrays["keys"].data.memset_async(0, arrays["keys"].nbytes)
        scratch = (arrays.get("keys", NULL), self.tickets(arrays))
        operands = (arrays["x"], *scratch, *self.made(arrays), self.count, *self.shared, *self._batches, *self.geometry)
        self.session.launch(self._average, self.grid, THREADS, *operands)
        self.finish_scales(arrays, self._make)

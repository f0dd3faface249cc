"""A kernel that takes as long as it is told, and is wrong if told so (HARNESS_PLUGINS=paced_kernel)."""

from __future__ import annotations

import os
import time
from typing import Any

from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes
from harness.kernels.spec import KernelSpec


class Paced:
    """Right codes after ``PACED_S`` seconds; with ``PACED_WRONG``, one is off by one bit."""

    def __init__(self, problem: TensorProblem, device: Any) -> None:
        self.problem = problem
        self.pace_s = float(os.environ.get("PACED_S", "0.002"))

    def launch(self) -> None:
        time.sleep(self.pace_s)

    def output(self) -> Codes:
        codes = self.problem.quantized.codes.copy()
        if os.environ.get("PACED_WRONG"):
            codes.flat[0] ^= 1
        return Codes(codes)


KERNELS = (KernelSpec("paced", "quantize", "cpu", "kernel", "paced_kernel:Paced", "takes as long as it is told"),)

"""Timing on CUDA: the engine over the CUDA stopwatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.backends.cuda.stopwatch import CudaStopwatch
from harness.timing import Measure, Timing, time_rounds

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel


def stopwatch(kernel: CudaKernel, measure: Measure) -> CudaStopwatch:
    """A stopwatch for ``kernel``, its operand sets made."""
    return CudaStopwatch(kernel, measure)


def time_launch(kernel: CudaKernel, measure: Measure, *, max_samples: int | None = None) -> Timing:
    """Time ``kernel`` as ``measure`` asks; ``max_samples`` is the kernel's own limit."""
    return time_rounds(stopwatch(kernel, measure), measure, max_samples=max_samples)

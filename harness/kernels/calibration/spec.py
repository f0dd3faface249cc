"""Kernels that find scales and zero points."""

from harness.kernels.calibration.program import (
    MINMAX,
    PERCENTILE,
    specialise_minmax,
    specialise_percentile,
    takes_minmax,
    takes_percentile,
)
from harness.kernels.spec import KernelSpec, reference_spec
from harness.kernels.specialisation import CudaSource

KERNELS = (
    KernelSpec(
        "minmax",
        "calibration",
        "cuda",
        "kernel",
        "harness.kernels.calibration.cuda:MinMax",
        "the observed range of every block in one read; any granularity, element format and scale format",
        supports=takes_minmax,
        cuda=CudaSource(MINMAX, specialise_minmax, max_registers=48),
    ),
    KernelSpec(
        "percentile",
        "calibration",
        "cuda",
        "kernel",
        "harness.kernels.calibration.cuda:Percentile",
        "exact order statistics by radix selection: at most three reads, one of blocks that a warp holds",
        supports=takes_percentile,
        cuda=CudaSource(PERCENTILE, specialise_percentile, max_registers=64),
    ),
    reference_spec("calibration"),
)

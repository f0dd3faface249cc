"""Kernels that find scales and zero points."""

from harness.kernels.calibration.program import MINMAX, specialise_minmax, takes_minmax
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
    reference_spec("calibration"),
)

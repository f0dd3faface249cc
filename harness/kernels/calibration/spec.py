"""Kernels that find scales and zero points."""

from harness.kernels.spec import KernelSpec

KERNELS = (
    KernelSpec(
        "reference",
        "calibration",
        None,
        "reference",
        "harness.kernels.calibration.oracle:REFERENCE",
        "the NumPy oracle run as a kernel",
        max_samples=3,
    ),
)

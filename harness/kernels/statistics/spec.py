"""Kernels that measure the error of a quantized tensor."""

from harness.kernels.spec import KernelSpec

KERNELS = (
    KernelSpec(
        "reference",
        "statistics",
        None,
        "reference",
        "harness.kernels.statistics.oracle:REFERENCE",
        "the NumPy oracle run as a kernel",
        max_samples=3,
    ),
)

"""Kernels that measure the error of a quantized tensor."""

from harness.kernels.common.affine_program import affine_spec
from harness.kernels.spec import reference_spec

SOURCE = "statistics/statistics.cu"

KERNELS = (
    affine_spec(
        "statistics",
        "Statistics",
        SOURCE,
        "error, signal power and saturation of codes of 1, 2, 4, 6 or 8 bits in one read",
        reads_codes=True,
        max_registers=64,
        max_stack_bytes=16,  # up to four registers, for sm_100a and sm_120a (NOTES.md)
    ),
    reference_spec("statistics"),
)

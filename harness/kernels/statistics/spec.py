"""Kernels that measure the error of a quantized tensor."""

from harness.kernels.common.affine_program import affine_spec
from harness.kernels.spec import reference_spec

SOURCE = "statistics/statistics.cu"

KERNELS = (
    affine_spec(
        "statistics",
        "Statistics",
        SOURCE,
        "error, signal power and saturation of int8, uint8 and int4 codes in one read",
        reads_codes=True,
        max_registers=64,
        max_stack_bytes=8,  # NVRTC 13.5 for sm_100a keeps one register there, outside the loop's body (NOTES.md)
    ),
    reference_spec("statistics"),
)

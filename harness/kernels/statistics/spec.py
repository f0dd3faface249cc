"""Kernels that measure the error of a quantized tensor."""

from harness.kernels.common.affine_program import affine
from harness.kernels.spec import KernelSpec, reference_spec
from harness.kernels.specialisation import CudaSource
from harness.kernels.statistics.program import SOURCE, specialise
from harness.kernels.torch_peers.spec import given_scales, torch_specs

KERNELS = (
    KernelSpec(
        "affine",
        "statistics",
        "cuda",
        "kernel",
        "harness.kernels.statistics.cuda:Statistics",
        "error and its place, signal power, saturation, worst block and histogram of codes of 1, 2, 4, 6 or 8 bits in one read",
        supports=affine,
        cuda=CudaSource(SOURCE, specialise, max_registers=80, max_stack_bytes=32),  # NOTES.md
    ),
    *torch_specs("statistics", given_scales),
    reference_spec("statistics"),
)

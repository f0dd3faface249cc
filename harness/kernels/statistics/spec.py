"""Kernels that measure the error of a quantized tensor."""

from harness.kernels.common.affine_program import affine, specialise
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import CudaSource

SOURCE = "statistics/statistics.cu"

KERNELS = (
    KernelSpec(
        "affine",
        "statistics",
        "cuda",
        "kernel",
        "harness.kernels.statistics.cuda:Statistics",
        "error, signal power and saturation of int8, uint8 and int4 codes in one read",
        supports=affine,
        cuda=CudaSource(SOURCE, specialise(SOURCE, signed=True), max_registers=64),
    ),
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

"""Kernels that find scales and zero points."""

from harness.kernels.calibration.program import (
    KL,
    MINMAX,
    MSE,
    PERCENTILE,
    specialise_kl,
    specialise_minmax,
    specialise_mse,
    specialise_percentile,
    takes_kl,
    takes_minmax,
    takes_mse,
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
        cuda=CudaSource(PERCENTILE, specialise_percentile, max_registers=80, max_stack_bytes=16),
    ),
    KernelSpec(
        "kl",
        "calibration",
        "cuda",
        "kernel",
        "harness.kernels.calibration.cuda:Kl",
        "histograms of magnitudes in a second read, then every clipping threshold at once: that of least KL divergence",
        supports=takes_kl,
        cuda=CudaSource(KL, specialise_kl, max_registers=64, max_stack_bytes=16),  # sm_100a, NVRTC 13.5
    ),
    KernelSpec(
        "mse",
        "calibration",
        "cuda",
        "kernel",
        "harness.kernels.calibration.cuda:Mse",
        "scales of least squared error, symmetric: sixteen candidates a read, all blocks at once",
        supports=takes_mse,
        # Up to twenty registers spill, by format, architecture and compiler, which lets more warps in for them.
        cuda=CudaSource(MSE, specialise_mse, max_registers=128, max_stack_bytes=80),
    ),
    reference_spec("calibration"),
)

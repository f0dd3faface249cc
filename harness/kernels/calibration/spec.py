"""Kernels that find scales and zero points."""

from harness.kernels.calibration.cupy_peer import takes_partition
from harness.kernels.calibration.ema_program import EMA_MINMAX, specialise_ema_minmax, takes_ema_minmax
from harness.kernels.calibration.mse_program import MSE, specialise_mse, takes_mse
from harness.kernels.calibration.program import (
    KL,
    MINMAX,
    PERCENTILE,
    specialise_kl,
    specialise_minmax,
    specialise_percentile,
    takes_kl,
    takes_minmax,
    takes_percentile,
)
from harness.kernels.spec import KernelSpec, reference_spec
from harness.kernels.specialisation import CudaSource
from harness.kernels.torch_peers.spec import torch_calibrations

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
        "ema_minmax",
        "calibration",
        "cuda",
        "kernel",
        "harness.kernels.calibration.ema_cuda:EmaMinMax",
        "the moving average of batches' ranges (PyTorch's MovingAverageMinMaxObserver): all of them in one read, then in order",
        supports=takes_ema_minmax,
        cuda=CudaSource(EMA_MINMAX, specialise_ema_minmax, max_registers=72, max_stack_bytes=16),
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
        "scales, and zero points, of least squared error: sixteen candidates a read, all blocks at once",
        supports=takes_mse,
        # Up to twenty registers spill, by format, architecture and compiler, which lets more warps in for them.
        cuda=CudaSource(MSE, specialise_mse, max_registers=128, max_stack_bytes=80),
    ),
    *torch_calibrations(),
    KernelSpec(
        "cupy_partition",
        "calibration",
        "cuda",
        "peer",
        "harness.kernels.calibration.cupy_peer:CupyPartition",
        "cupy.partition: order statistics, every block sorted",
        supports=takes_partition,
        requires="cupy",
    ),
    reference_spec("calibration"),
)

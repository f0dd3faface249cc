"""The gemm family: specs, oracle and kernels."""

from harness.kernels.gemm.spec import KERNELS

__all__ = ["KERNELS"]

"""The statistics family: specs, oracle and kernels."""

from harness.kernels.statistics.spec import KERNELS

__all__ = ["KERNELS"]

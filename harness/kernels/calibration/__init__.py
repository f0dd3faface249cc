"""The calibration family: specs, oracle and kernels."""

from harness.kernels.calibration.spec import KERNELS

__all__ = ["KERNELS"]

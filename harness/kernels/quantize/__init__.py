"""The quantize family: specs, oracle and kernels."""

from harness.kernels.quantize.spec import KERNELS

__all__ = ["KERNELS"]

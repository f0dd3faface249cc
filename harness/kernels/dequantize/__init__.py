"""The dequantize family: specs, oracle and kernels."""

from harness.kernels.dequantize.spec import KERNELS

__all__ = ["KERNELS"]

"""The fake_quantize family: specs, oracle and kernels."""

from harness.kernels.fake_quantize.spec import KERNELS

__all__ = ["KERNELS"]

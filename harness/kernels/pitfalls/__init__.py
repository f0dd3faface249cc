"""Wrong forms that are easily written, each beside the right one in suites/pitfalls*.yaml; docs/pitfalls.md explains them."""

from harness.kernels.pitfalls.spec import KERNELS

__all__ = ["KERNELS"]

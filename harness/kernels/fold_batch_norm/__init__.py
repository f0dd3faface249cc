"""The fold_batch_norm family: specs and oracle."""

from harness.kernels.fold_batch_norm.spec import KERNELS

__all__ = ["KERNELS"]

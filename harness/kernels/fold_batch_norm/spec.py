"""Kernels that fold a batch normalisation into the convolution before it."""

from harness.device import Device
from harness.kernels.common.supports import quantized
from harness.kernels.spec import Request, reference_spec


def convolution(request: Request, device: Device) -> str | None:
    """Weights in f32 whose first axis is the output channel."""
    _, missing = quantized(request, "tensor")
    plan = request["tensor"]
    if missing is None and plan.channel_axis != 0:
        return "folds weights whose axis 0 is the output channel"
    return missing or (None if plan.dtype == "f32" else "takes tensors of f32 only")


KERNELS = (reference_spec("fold_batch_norm", supports=convolution),)

"""Kernels that differentiate fake_quantize."""

from harness.device import Device
from harness.kernels.common.supports import quantized, static
from harness.kernels.fake_quantize_backward.program import LSQ, STE, backward_specs
from harness.kernels.spec import Request, reference_spec
from harness.kernels.torch_peers.spec import torch_specs


def learned(request: Request, device: Device) -> str | None:
    """What has scales that can be learned: integer formats with a static range and f32 scales."""
    scheme, missing = quantized(request, "tensor")
    if missing is None and not scheme.element.is_integer:
        return f"differentiates integer formats only, not {scheme.format}"
    if missing is None and scheme.scale_format != "f32":
        return f"learns scales of f32, not {scheme.scale_format}"
    return missing or static(scheme, "tensor")


def learned_symmetric(request: Request, device: Device) -> str | None:
    """LSQ has no zero points."""
    scheme, missing = quantized(request, "tensor")
    if missing is None and not scheme.symmetric:
        return "learns scales of symmetric schemes only"
    return learned(request, device)


KERNELS = (
    *backward_specs("ste_backward", STE, ("Backward", "SteAtomic"), learned),
    *backward_specs("lsq_backward", LSQ, ("LsqBackward", "LsqAtomic"), learned_symmetric),
    *torch_specs("ste_backward", learned),
    *torch_specs("lsq_backward", learned_symmetric),
    reference_spec("ste_backward", family="fake_quantize_backward", supports=learned),
    reference_spec("lsq_backward", family="fake_quantize_backward", supports=learned_symmetric),
)

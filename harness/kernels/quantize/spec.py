"""Kernels that turn values into codes."""

from harness.device import Device
from harness.kernels.common.affine_program import affine_spec
from harness.kernels.common.supports import format_in, full_range, onnx_grid, quantized, static
from harness.kernels.spec import KernelSpec, Request, reference_spec

SOURCE = "quantize/quantize.cu"

ONNX_FORMATS = ("int8", "uint8", "int4", "uint4", "fp8_e4m3", "fp8_e5m2")
"""Element formats that onnxruntime's CPU QuantizeLinear and DequantizeLinear take."""


def onnx_linear(request: Request, device: Device) -> str | None:
    """What QuantizeLinear and DequantizeLinear can do with one tensor."""
    scheme, missing = quantized(request, "tensor")
    return (
        missing
        or format_in(scheme, ONNX_FORMATS, "tensor")
        or onnx_grid(request["tensor"])
        or static(scheme, "tensor")
        or full_range(scheme)
        or f32_only(request)
    )


def f32_only(request: Request) -> str | None:
    """The onnxruntime graphs are built for f32."""
    return None if request["tensor"].dtype == "f32" else "takes tensors of f32 only"


def _dynamic(request: Request, device: Device) -> str | None:
    scheme, missing = quantized(request, "tensor")
    if missing:
        return missing
    wanted = (scheme.format, scheme.granularity, scheme.symmetric, scheme.range, scheme.scale_format)
    if wanted != ("uint8", "per_tensor", False, "dynamic", "f32"):
        return "does uint8, per_tensor, asymmetric with a dynamic range only"
    return f32_only(request)


KERNELS = (
    KernelSpec(
        "ort_quantize_linear",
        "quantize",
        "cpu",
        "kernel",
        "harness.kernels.quantize.ort:QuantizeLinear",
        "onnxruntime QuantizeLinear (per tensor, per axis, blocked)",
        supports=onnx_linear,
    ),
    KernelSpec(
        "ort_dynamic_quantize_linear",
        "quantize",
        "cpu",
        "kernel",
        "harness.kernels.quantize.ort:DynamicQuantizeLinear",
        "onnxruntime DynamicQuantizeLinear: range and uint8 codes in one operator",
        supports=_dynamic,
    ),
    affine_spec(
        "quantize",
        "QuantizeAffine",
        SOURCE,
        "int8, uint8 and packed int4 codes with given scales, any granularity",
        reads_codes=False,
        max_registers=48,
    ),
    reference_spec("quantize"),
)

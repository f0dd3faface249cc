"""Kernels that turn values into codes."""

from harness.device import Device
from harness.kernels.common.affine_program import affine_spec
from harness.kernels.common.supports import format_in, full_range, onnx_grid, quantized, static
from harness.kernels.quantize.dynamic_program import (
    ONE_PASS,
    TWO_PASS,
    specialise_one_pass,
    specialise_two_pass,
    takes_one_pass,
    takes_two_pass,
)
from harness.kernels.spec import KernelSpec, Request, reference_spec
from harness.kernels.specialisation import CudaSource
from harness.kernels.torch_peers.spec import given_scales_or_found, torch_specs

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
        "codes of every format of 1, 2, 4, 6 or 8 bits with given scales, any granularity",
        writes_codes=True,
        max_registers=64,
        max_stack_bytes=8,  # one register, for sm_100a, of fp6
    ),
    KernelSpec(
        "dynamic",
        "quantize",
        "cuda",
        "kernel",
        "harness.kernels.quantize.dynamic_cuda:QuantizeDynamic",
        "range, scale and codes of a block in one kernel, the block held in registers",
        supports=takes_one_pass,
        cuda=CudaSource(ONE_PASS, specialise_one_pass, max_registers=72, max_stack_bytes=8),  # of nf4 and fp6 of f16
    ),
    KernelSpec(
        "dynamic_two_pass",
        "quantize",
        "cuda",
        "kernel",
        "harness.kernels.quantize.dynamic_cuda:QuantizeTwoPass",
        "ranges of all blocks, then codes: any granularity, the tensor read twice",
        supports=takes_two_pass,
        cuda=CudaSource(TWO_PASS, specialise_two_pass, max_registers=64, max_stack_bytes=8),
    ),
    *torch_specs("quantize", given_scales_or_found),
    reference_spec("quantize"),
)

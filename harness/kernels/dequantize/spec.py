"""Kernels that turn codes into values."""

from harness.device import Device
from harness.kernels.common.affine_program import affine, affine_spec, specialise
from harness.kernels.common.supports import format_in, quantized
from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec, Request, reference_spec
from harness.kernels.specialisation import CudaSource
from harness.kernels.torch_peers.spec import given_scales, torch_specs

SOURCE = "dequantize/dequantize.cu"
LUT = "dequantize/lut.cu"
LUT_FORMATS = ("int4", "uint4", "fp4_e2m1", "nf4")


def takes_lut(request: Request, device: Device) -> str | None:
    """Codes of which two fill a byte."""
    scheme, missing = quantized(request, "tensor")
    return missing or format_in(scheme, LUT_FORMATS, "tensor") or affine(request, device)


KERNELS = (
    KernelSpec(
        "ort_dequantize_linear",
        "dequantize",
        "cpu",
        "kernel",
        "harness.kernels.dequantize.ort:DequantizeLinear",
        "onnxruntime DequantizeLinear (per tensor, per axis, blocked)",
        supports=onnx_linear,
    ),
    affine_spec(
        "dequantize",
        "DequantizeAffine",
        SOURCE,
        "values of codes of 1, 2, 4, 6 or 8 bits, any granularity",
        reads_codes=True,
        max_registers=48,
    ),
    KernelSpec(
        "lut",
        "dequantize",
        "cuda",
        "kernel",
        "harness.kernels.dequantize.cuda:DequantizeLut",
        "values of 4-bit codes by a table of the 256 pairs that a byte of them may be",
        supports=takes_lut,
        cuda=CudaSource(LUT, specialise(LUT, signed=True), max_registers=48),
    ),
    *torch_specs("dequantize", given_scales),
    reference_spec("dequantize"),
)

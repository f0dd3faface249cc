"""Kernels that turn codes into values."""

from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec

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
    KernelSpec(
        "reference",
        "dequantize",
        None,
        "reference",
        "harness.kernels.dequantize.oracle:REFERENCE",
        "the NumPy oracle run as a kernel",
        max_samples=3,
    ),
)

"""Kernels that quantize and dequantize in one go."""

from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec

KERNELS = (
    KernelSpec(
        "ort_qdq",
        "fake_quantize",
        "cpu",
        "kernel",
        "harness.kernels.fake_quantize.ort:QuantizeDequantize",
        "onnxruntime QuantizeLinear and DequantizeLinear in one graph",
        supports=onnx_linear,
    ),
    KernelSpec(
        "reference",
        "fake_quantize",
        None,
        "reference",
        "harness.kernels.fake_quantize.oracle:REFERENCE",
        "the NumPy oracle run as a kernel",
        max_samples=3,
    ),
)

"""Kernels that quantize and dequantize in one go."""

from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec, reference_spec

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
    reference_spec("fake_quantize"),
)

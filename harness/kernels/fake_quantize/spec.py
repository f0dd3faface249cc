"""Kernels that quantize and dequantize in one go."""

from harness.kernels.common.affine_program import affine_spec
from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec, reference_spec
from harness.kernels.torch_peers.spec import given_scales, torch_specs

SOURCE = "fake_quantize/fake_quantize.cu"

KERNELS = (
    affine_spec(
        "fake_quantize",
        "FakeQuantizeAffine",
        SOURCE,
        "quantize and dequantize in one pass with given scales: any format, granularity and scale format",
        max_registers=48,
        max_stack_bytes=8,  # one register, for sm_100a, of a scale a column
    ),
    KernelSpec(
        "ort_qdq",
        "fake_quantize",
        "cpu",
        "kernel",
        "harness.kernels.fake_quantize.ort:QuantizeDequantize",
        "onnxruntime QuantizeLinear and DequantizeLinear in one graph",
        supports=onnx_linear,
    ),
    *torch_specs("fake_quantize", given_scales),
    reference_spec("fake_quantize"),
)

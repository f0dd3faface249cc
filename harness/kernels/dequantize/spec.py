"""Kernels that turn codes into values."""

from harness.kernels.common.affine_program import affine_spec
from harness.kernels.quantize.spec import onnx_linear
from harness.kernels.spec import KernelSpec, reference_spec
from harness.kernels.torch_peers.spec import torch_specs

SOURCE = "dequantize/dequantize.cu"

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
    *torch_specs("dequantize"),
    reference_spec("dequantize"),
)

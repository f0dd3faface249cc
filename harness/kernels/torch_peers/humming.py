"""humming (vllm-project/humming, ``pip install humming-kernels``): matrix products with quantized weights that it generates and
compiles itself, given this project's codes and scales.

Definition, as read in humming 0.1.19: scales are of the output's 16-bit type (those of microscaling formats powers of two); with
16-bit activations a weight may be rounded once more to that type when it is dequantized; with int8 activations sums are integers,
rounded to that type (partial ones too, where k is split) before they are scaled by the weight's scales. Weights are brought into
its order on the device before anything is timed, and its own heuristics choose the configuration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.torch_peers.kernel import TorchKernel, handed_over, on_device
from harness.kernels.torch_peers.types import VALUES, Read
from harness.kernels.torch_peers.weight_only import rows_of_scales, unsigned, weight_as_taken
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import finfo, value_type

_FLOATS = {"fp4_e2m1": "float4e2m1", "fp8_e4m3": "float8e4m3"}


class Humming(TorchKernel):
    """y [m, n] = x [m, k] · wᵀ, of 16-bit activations or of int8 ones with a scale a row."""

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        from humming.forward import humming_forward

        weight, activation = problem.weight.quantized, problem.activation.quantized
        assert weight is not None, "planned for a quantized weight"
        kind = value_type(problem.dtype)
        layer, weight_taken = _layer(weight, problem.dtype, activation, device)
        config, locks = layer.humming_config, layer.locks

        def product(x: Any, y: Any, weight: Any, **others: Any) -> None:
            humming_forward(config, inputs=x, weight=weight, outputs=y, locks=locks, **others)

        def read(array: Read) -> Product:
            values, half_unit = array("y").view(kind.numpy()), float(finfo(kind.numpy()).eps) / 2
            # of each weight; or of partial sums, and once more before the scales
            rounding = half_unit if activation is None else 2 * half_unit
            return Product(values, "f32", operands=problem.dtype, weight_taken=weight_taken, weight_rounding=rounding)

        inputs: dict[str, Any] = {"x": kind.store(problem.activation.values)}
        types = {"x": VALUES[problem.dtype], "y": VALUES[problem.dtype]}
        if activation is not None:
            inputs |= {"x": activation.codes, "input_scale": rows_of_scales(activation, activation.params.scale)}
            del types["x"]
        for name in ("weight", "weight_scale", "weight_scale_2", "zero_point"):
            if (tensor := getattr(layer, name, None)) is not None:
                inputs[name], types[name] = handed_over(tensor.detach())
        outputs = {"y": Output((problem.m, problem.n), kind.stored)}
        super().__init__(device, inputs, outputs, product, types, read, compiled=False)


def _layer(
    weight: Quantized, dtype: str, activation: Quantized | None, device: Device
) -> tuple[Any, NDArray[np.float32]]:
    """humming's layer with this weight, transformed; the weight [n, k] in f32 that its codes and scales stand for."""
    import torch
    from humming import ops
    from humming.layer import HummingLayer

    n, k = weight.codes.shape
    stored, config = _schema(weight)
    kind, scale = value_type(dtype), weight.params.scale
    taken_scale = scale if "scale_dtype" in config else kind.round(scale)
    taken = weight_as_taken(weight, taken_scale)

    with torch.cuda.device(device.name):
        inputs = {"dtype": "int8"} if activation is not None else None
        layer = HummingLayer(n, k, config, inputs, torch_dtype=getattr(torch, VALUES[dtype])).to(device.name)
        bits = weight.scheme.element.bits
        tensors = {"weight": ops.pack_weight(on_device(stored, device), bits)}
        if "scale_dtype" in config:
            exponents = on_device((scale.view(np.uint32) >> 23).astype(np.uint8), device)
            tensors["weight_scale"] = exponents.view(torch.float8_e8m0fnu)
        else:
            rows = kind.store(rows_of_scales(weight, scale))
            tensors["weight_scale"] = on_device(rows, device).view(getattr(torch, VALUES[dtype]))
        if weight.params.zero_point is not None:
            zeros = rows_of_scales(weight, unsigned(weight)[1])
            tensors["zero_point"] = ops.pack_weight(on_device(zeros.T, device), bits).t().contiguous()
        layer.load_from_tensors(tensors)
        layer.transform()
    return layer, taken


def _schema(weight: Quantized) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """Codes [n, k] as humming stores them, and its description of the weight."""
    scheme = weight.scheme
    config: dict[str, Any] = {}
    if scheme.blocks.kind == "per_group":
        config["group_size"] = weight.tiling.block[1]
    if scheme.scale_format == "e8m0":
        config["scale_dtype"] = "float8e8m0"
    if scheme.format in _FLOATS:
        return weight.codes.view(np.uint8).astype(np.int32), {"dtype": _FLOATS[scheme.format], **config}
    if weight.params.zero_point is not None:
        config["has_zero_point"] = True
    return unsigned(weight)[0], {"dtype": f"uint{scheme.element.bits}", **config}

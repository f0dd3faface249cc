"""gemlite (dropbox/gemlite, ``pip install gemlite``): Triton products with quantized weights, given this project's codes and
scales.

Definition, as read in gemlite 0.6: scales and zero points are of the output's 16-bit type; a weight is
(code - zero point) · scale in that type, sums are f32 (f16 where the package chooses so on its own). It tunes itself at its first
call, before anything is timed.
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
from harness.numerics.value_types import finfo, value_type

_TENSORS = ("weight", "scales", "zeros", "whole")
"""What its product takes beside the activation, in its order."""


class Gemlite(TorchKernel):
    """y [m, n] = x [m, k] · wᵀ, of 16-bit activations."""

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        from gemlite.core import forward_functional

        kind = value_type(problem.dtype)
        layer, taken = _layer(problem, device)
        described, tensors = layer.get_meta_args(), dict(zip(_TENSORS, layer.get_tensor_args(), strict=True))
        turned = {name for name, each in tensors.items() if not each.is_contiguous() and each.t().is_contiguous()}

        def product(x: Any, y: Any, **others: Any) -> None:
            operands = [others[name].t() if name in turned else others[name] for name in _TENSORS]
            y.copy_(forward_functional(x, None, operands, described, -1))

        def read(array: Read) -> Product:
            rounding = float(
                finfo(kind.numpy()).eps
            )  # half a unit of the difference from the zero point, and of the product
            return Product(
                array("y").view(kind.numpy()),
                "f32",
                operands=problem.dtype,
                weight_taken=taken,
                weight_rounding=rounding,
            )

        inputs: dict[str, Any] = {"x": kind.store(problem.activation.values)}
        types = {"x": VALUES[problem.dtype], "y": VALUES[problem.dtype]}
        for name, tensor in tensors.items():
            inputs[name], types[name] = handed_over(tensor.t() if name in turned else tensor)
        outputs = {"y": Output((problem.m, problem.n), kind.stored)}
        super().__init__(device, inputs, outputs, product, types, read, compiled=False)


def _layer(problem: GemmProblem, device: Device) -> tuple[Any, NDArray[np.float32]]:
    """gemlite's layer with this weight; the weight [n, k] in f32 that its codes, scales and zero points stand for."""
    import torch
    from gemlite.helper import A16Wn

    weight = problem.weight.quantized
    assert weight is not None, "planned for a quantized weight"
    k, kind = weight.codes.shape[1], value_type(problem.dtype)
    dtype = getattr(torch, VALUES[problem.dtype])
    codes, zeros = unsigned(weight)
    scale = rows_of_scales(weight, weight.params.scale)

    with torch.cuda.device(device.name):
        layer = A16Wn(device=device.name, dtype=dtype).from_weights(
            on_device(codes.astype(np.uint8), device),
            on_device(scale, device, dtype),
            on_device(rows_of_scales(weight, zeros).astype(np.float32), device, dtype),
            weight.scheme.element.bits,
            k // weight.tiling.grid[1],
        )
    return layer, weight_as_taken(weight, kind.round(weight.params.scale))

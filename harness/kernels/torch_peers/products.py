"""PyTorch's own products on quantized operands: what ``torch.nn.Linear`` of a quantized model comes down to.

Definitions, as read in PyTorch 2.11: ``_int_mm`` gives int32 sums, and what scales them afterwards is not timed here;
``_scaled_mm`` multiplies fp8 operands and scales the sums, by cuBLASLt or CUTLASS; ``_weight_int4pack_mm`` (tinygemm) takes bf16
scales and offsets and rounds each weight it makes of them to bf16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.torch_peers.kernel import TorchKernel, on_device
from harness.kernels.torch_peers.types import CODES, VALUES, Read
from harness.kernels.torch_peers.weight_only import unsigned
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type

_TORCH = {"f32": "float32", **VALUES}
_K_TILES = 8
"""``innerKTiles`` of tinygemm's packing: k in steps of 16 times that."""
Entry = Callable[[GemmProblem, Device], TorchKernel]


def _operands(problem: GemmProblem) -> tuple[Quantized, Quantized]:
    activation, weight = problem.activation.quantized, problem.weight.quantized
    assert activation is not None, "planned for a quantized activation"
    assert weight is not None, "planned for a quantized weight"
    return activation, weight


def _column(scale: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.broadcast_to(scale.reshape(-1, 1), (rows, 1)))


def _int_mm(problem: GemmProblem, device: Device) -> TorchKernel:
    activation, weight = _operands(problem)

    def product(x: Any, w: Any, sums: Any) -> None:
        import torch

        torch._int_mm(x, w.t(), out=sums)

    def read(array: Read) -> Product:
        scaled = array("sums") * activation.params.scale.reshape(-1, 1).astype(np.float64)
        return Product((scaled * weight.params.scale.reshape(1, -1)).astype(np.float32), "exact")

    inputs = {"x": activation.codes, "w": weight.codes}
    outputs = {"sums": Output((problem.m, problem.n), np.int32)}
    return TorchKernel(device, inputs, outputs, product, {}, read, compiled=False)


def _scaled_mm(problem: GemmProblem, device: Device, *, fast: bool) -> TorchKernel:
    activation, weight = _operands(problem)
    one = activation.params.scale.size == weight.params.scale.size == 1
    x_scale = activation.params.scale.reshape(()) if one else _column(activation.params.scale, problem.m)
    w_scale = weight.params.scale.reshape(()) if one else _column(weight.params.scale, problem.n).T
    kind = value_type(problem.dtype)

    def product(x: Any, w: Any, x_scale: Any, w_scale: Any, y: Any) -> None:
        import torch

        torch._scaled_mm(x, w.t(), x_scale, w_scale, out_dtype=y.dtype, use_fast_accum=fast, out=y)

    def read(array: Read) -> Product:
        return Product(array("y").view(kind.numpy()), "fp8")

    inputs: dict[str, Any] = {
        "x": activation.codes.view(np.uint8),
        "w": weight.codes.view(np.uint8),
        "x_scale": x_scale,
        "w_scale": np.ascontiguousarray(w_scale),
    }
    types = {"x": CODES[activation.scheme.format], "w": CODES[weight.scheme.format], "y": _TORCH[problem.dtype]}
    outputs = {"y": Output((problem.m, problem.n), kind.stored)}
    return TorchKernel(device, inputs, outputs, product, types, read, compiled=False)


class _Int4Packed(TorchKernel):
    """tinygemm: the weight is packed on the device, before anything is timed."""

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        weight = problem.weight.quantized
        assert weight is not None, "planned for a quantized weight"
        group = weight.tiling.block[1]
        nibbles, scale_and_offset, taken = tinygemm_weight(weight)

        def product(x: Any, w: Any, scales: Any, y: Any) -> None:
            import torch

            y.copy_(torch._weight_int4pack_mm(x, w.view(torch.int32), group, scales))

        def read(array: Read) -> Product:
            values = array("y").view(value_type("bf16").numpy())
            return Product(values, "f32", operands="bf16", weight_taken=taken)

        inputs: dict[str, Any] = {
            "x": value_type("bf16").store(problem.activation.values),
            "w": _packed(nibbles, device),
            "scales": scale_and_offset,
        }
        types = {"x": "bfloat16", "scales": "bfloat16", "y": "bfloat16"}
        outputs = {"y": Output((problem.m, problem.n), np.uint16)}
        super().__init__(device, inputs, outputs, product, types, read, compiled=False)


def tinygemm_weight(weight: Quantized) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float32]]:
    """(two codes a byte [n, k / 2], the earlier one high; scales and offsets [k / group, n, 2], bf16 bits; the weight [n, k] that
    tinygemm makes of them: (code - 8) · scale + offset in f32, rounded to bf16)."""
    bf16 = value_type("bf16")
    codes, _ = unsigned(weight)
    scale = bf16.round(weight.params.scale)
    zero = np.zeros_like(scale) if weight.params.zero_point is None else weight.params.zero_point.astype(np.float32)
    middle = np.float32(0 if weight.scheme.element.signed else 8)
    offset = bf16.round((middle - zero) * scale)
    taken = bf16.round((codes - 8) * weight.tiling.expand(scale) + weight.tiling.expand(offset))
    both = np.stack([scale, offset], axis=-1).transpose(1, 0, 2)
    nibbles = (codes[:, ::2] << 4 | codes[:, 1::2]).astype(np.uint8)
    return nibbles, bf16.store(np.ascontiguousarray(both)), taken


def _packed(nibbles: NDArray[np.uint8], device: Device) -> Any:
    """In the order of tinygemm's fragments."""
    import cupy
    import torch

    packed = torch._convert_weight_to_int4pack(on_device(nibbles, device), _K_TILES)
    return cupy.from_dlpack(packed.contiguous())


INT_MM: Entry = _int_mm
SCALED_MM: Entry = partial(_scaled_mm, fast=False)
SCALED_MM_FAST: Entry = partial(_scaled_mm, fast=True)
INT4PACK_MM: Entry = _Int4Packed

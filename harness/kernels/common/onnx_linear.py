"""QuantizeLinear and DequantizeLinear nodes for a tensor problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.cpu.onnx_graph import Graph, zero_point_bytes
from harness.kernels.common.tensor_problem import TensorProblem


def add_parameters(graph: Graph, problem: TensorProblem) -> dict[str, Any]:
    """Constants ``scale`` and ``zero_point`` in the layout ONNX wants; returns the node's attributes."""
    quantized = problem.quantized
    tiling, params = quantized.tiling, quantized.params
    attributes: dict[str, Any] = {}
    blocked = [axis for axis, extent in enumerate(tiling.block) if 1 < extent < tiling.shape[axis]]
    spread = [axis for axis, count in enumerate(tiling.grid) if count > 1]
    if blocked or (quantized.scheme.blocks.kind == "per_group" and len(tiling.shape) > 1):
        shape = tiling.grid
        attributes = {"axis": len(tiling.shape) - 1, "block_size": tiling.block[-1]}
    elif spread:
        shape = (tiling.grid[spread[0]],)
        attributes = {"axis": spread[0]}
    else:
        shape = ()
    graph.constant("scale", params.scale.reshape(shape))
    zeros = np.zeros(shape, np.int32) if params.zero_point is None else params.zero_point.reshape(shape)
    element = quantized.scheme.format
    graph.raw_constant("zero_point", element, shape, zero_point_bytes(element, zeros))
    return attributes


def add_quantize(graph: Graph, problem: TensorProblem, source: str, target: str) -> dict[str, Any]:
    """A QuantizeLinear node with its parameters; returns the attributes for a DequantizeLinear beside it."""
    attributes = add_parameters(graph, problem)
    graph.node("QuantizeLinear", [source, "scale", "zero_point"], [target], **attributes)
    return attributes

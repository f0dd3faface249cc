"""onnxruntime's QuantizeLinear and DequantizeLinear in one graph, unfused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.backends.cpu.onnx_graph import Graph, array_of
from harness.device import Device
from harness.kernels.common.onnx_linear import add_quantize
from harness.kernels.common.tensor_problem import TensorProblem


class QuantizeDequantize:
    """Optimizations are off: they would remove the pair."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        graph = Graph(inputs={"x": ("f32", problem.values.shape)}, outputs={"y": "f32"})
        attributes = add_quantize(graph, problem, "x", "q")
        graph.node("DequantizeLinear", ["q", "scale", "zero_point"], ["y"], **attributes)
        self._session = graph.session({"x": problem.finite}, optimise=False)

    def launch(self) -> None:
        self._session.run()

    def output(self) -> NDArray[np.float32]:
        return array_of(self._session.output("y"))

"""onnxruntime's DequantizeLinear on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.backends.cpu.onnx_graph import Graph, array_of
from harness.device import Device
from harness.kernels.common.onnx_linear import add_parameters, add_quantize
from harness.kernels.common.tensor_problem import TensorProblem


class DequantizeLinear:
    """Codes come from a QuantizeLinear outside the timed part, so that packed types need no NumPy type."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        element, shape = problem.quantized.scheme.format, problem.values.shape
        source = Graph(inputs={"x": ("f32", shape)}, outputs={"q": element})
        add_quantize(source, problem, "x", "q")
        quantizer = source.session({"x": problem.finite})
        quantizer.run()
        graph = Graph(inputs={"q": (element, shape)}, outputs={"y": "f32"})
        attributes = add_parameters(graph, problem)
        graph.node("DequantizeLinear", ["q", "scale", "zero_point"], ["y"], **attributes)
        self._session = graph.session({"q": quantizer.output("q")})

    def launch(self) -> None:
        self._session.run()

    def output(self) -> NDArray[np.float32]:
        return array_of(self._session.output("y"))

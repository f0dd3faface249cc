"""onnxruntime's quantizing operators on the CPU. They divide by the scale and round half to even, as the oracle does."""

from __future__ import annotations

import numpy as np

from harness.backends.cpu.onnx_graph import Graph, array_of
from harness.device import Device
from harness.kernels.common.onnx_linear import add_quantize
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.quantize.oracle import Codes


class QuantizeLinear:
    """Static range: scale and zero point are constants of the graph."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        graph = Graph(inputs={"x": ("f32", problem.values.shape)}, outputs={"q": problem.quantized.scheme.format})
        add_quantize(graph, problem, "x", "q")
        self._session = graph.session({"x": problem.finite})

    def launch(self) -> None:
        self._session.run()

    def output(self) -> Codes:
        return Codes(array_of(self._session.output("q")))


class DynamicQuantizeLinear:
    """Range and codes in one operator: uint8, asymmetric, per tensor."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        graph = Graph(
            inputs={"x": ("f32", problem.values.shape)},
            outputs={"q": "uint8", "scale": "f32", "zero_point": "uint8"},
        )
        graph.node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero_point"])
        self._session = graph.session({"x": problem.finite})

    def launch(self) -> None:
        self._session.run()

    def output(self) -> Codes:
        codes, scale, zero_point = (array_of(self._session.output(n)) for n in ("q", "scale", "zero_point"))
        return Codes(codes, scale, zero_point.astype(np.int32))

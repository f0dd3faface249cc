"""onnxruntime's products on the CPU: float, integer, requantizing, and weight-only.

On x86 CPUs without VNNI, products of unsigned with signed bytes saturate their 16-bit intermediates; there signed weights
are given as unsigned ones with the zero point moved by 128, which is the same product and cannot saturate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cpu.onnx_graph import Graph, array_of
from harness.device import Device
from harness.kernels.gemm.operand_values import real_values
from harness.kernels.gemm.oracle import GemmProblem, OutputCodes, Product
from harness.numerics.packing import pack_nibbles
from harness.numerics.quantize import Quantized


class _OnnxProduct:
    """One session; ``sums`` says how the operator accumulates."""

    sums: Any = "f32"

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        graph = Graph(outputs={"y": "f32"})
        feeds = self.build(graph, problem, device)
        self._session = graph.session(feeds)

    def build(self, graph: Graph, problem: GemmProblem, device: Device) -> dict[str, Any]:
        raise NotImplementedError

    def launch(self) -> None:
        self._session.run()

    def output(self) -> Product:
        return Product(array_of(self._session.output("y")), self.sums)


class MatMul(_OnnxProduct):
    """f32 × f32."""

    def build(self, graph: Graph, problem: GemmProblem, device: Device) -> dict[str, Any]:
        graph.inputs["x"] = ("f32", (problem.m, problem.k))
        graph.constant("w", problem.weight.values.T)
        graph.node("MatMul", ["x", "w"], ["y"])
        return {"x": problem.activation.values}


def _quantized(problem: GemmProblem) -> tuple[Quantized, Quantized]:
    activation, weight = problem.activation.quantized, problem.weight.quantized
    assert activation is not None, "planned for a quantized activation"
    assert weight is not None, "planned for a quantized weight"
    return activation, weight


def _add_weight(graph: Graph, weight: Quantized, device: Device) -> None:
    """Constants ``w`` [k, n], ``w_zero`` and ``w_scale``: those two one value each, or one a column."""
    codes = weight.codes.T
    scale = weight.params.scale.ravel()
    zero = np.zeros(1, np.int32) if weight.params.zero_point is None else weight.params.zero_point.ravel()
    if codes.dtype == np.int8 and "vnni" not in device.features:
        codes, zero = (codes.astype(np.int16) + 128).astype(np.uint8), zero + 128
    graph.constant("w", codes)
    if scale.size == 1:
        graph.constant("w_zero", zero.astype(codes.dtype).reshape(()))
        graph.constant("w_scale", scale.reshape(()))
    else:
        graph.constant("w_zero", np.broadcast_to(zero, scale.shape).astype(codes.dtype))
        graph.constant("w_scale", scale)


def _activation_operand(graph: Graph, problem: GemmProblem, activation: Quantized) -> tuple[list[str], dict[str, Any]]:
    """Names of (codes, zero point, scale) and what to feed; a dynamic range is found inside the graph."""
    if activation.scheme.range == "dynamic":
        graph.inputs["x"] = ("f32", activation.codes.shape)
        graph.node("DynamicQuantizeLinear", ["x"], ["x_codes", "x_scale", "x_zero"])
        return ["x_codes", "x_zero", "x_scale"], {"x": problem.activation.values}
    graph.inputs["x_codes"] = (activation.scheme.format, activation.codes.shape)
    zero = 0 if activation.params.zero_point is None else int(activation.params.zero_point.ravel()[0])
    graph.constant("x_zero", np.array(zero, dtype=activation.codes.dtype))
    scale = activation.params.scale
    graph.constant("x_scale", scale.reshape(-1, 1) if scale.size > 1 else scale.reshape(()))
    return ["x_codes", "x_zero", "x_scale"], {"x_codes": activation.codes}


class MatMulInteger(_OnnxProduct):
    """Exact int32 sums, then both scales."""

    sums = "exact"

    def build(self, graph: Graph, problem: GemmProblem, device: Device) -> dict[str, Any]:
        activation, weight = _quantized(problem)
        (x, x_zero, x_scale), feeds = _activation_operand(graph, problem, activation)
        _add_weight(graph, weight, device)
        graph.node("MatMulInteger", [x, "w", x_zero, "w_zero"], ["sums"])
        graph.node("Cast", ["sums"], ["sums_f32"], to=1)
        graph.node("Mul", ["sums_f32", "w_scale"], ["scaled"])
        graph.node("Mul", ["scaled", x_scale], ["y"])
        return feeds


class QLinearMatMul:
    """8-bit output, its range calibrated (minmax) on the product of the quantized operands."""

    def __init__(self, problem: GemmProblem, device: Device) -> None:
        activation, weight = _quantized(problem)
        element = activation.scheme.format
        graph = Graph(outputs={"y": element})
        (x, x_zero, x_scale), feeds = _activation_operand(graph, problem, activation)
        _add_weight(graph, weight, device)
        self._range = _output_range(problem, activation)
        graph.constant("y_scale", np.array(self._range.scale, dtype=np.float32))
        graph.constant("y_zero", np.array(self._range.zero_point, dtype=activation.codes.dtype))
        graph.node("QLinearMatMul", [x, x_scale, x_zero, "w", "w_scale", "w_zero", "y_scale", "y_zero"], ["y"])
        self._session = graph.session(feeds)

    def launch(self) -> None:
        self._session.run()

    def output(self) -> Product:
        codes = array_of(self._session.output("y"))
        r = self._range
        values = (codes.astype(np.float32) - r.zero_point) * np.float32(r.scale)
        return Product(values, "exact", OutputCodes(codes, r.scale, r.zero_point, r.low, r.high))


def _output_range(problem: GemmProblem, activation: Quantized) -> OutputCodes:
    """Scale and zero point of the output: symmetric for signed codes, asymmetric for unsigned ones."""
    x, w = (real_values(operand).astype(np.float32) for operand in (problem.activation, problem.weight))
    with np.errstate(invalid="ignore"):
        y = x @ w.T
    y = y[np.isfinite(y)]
    low, high = activation.scheme.element.limits()
    if activation.scheme.element.signed:
        top = float(np.abs(y).max(initial=0))
        return OutputCodes(np.empty(0), float(np.float32(top / high)) or 1.0, 0, low, high)
    bottom, top = min(float(y.min(initial=0)), 0.0), max(float(y.max(initial=0)), 0.0)
    scale = float(np.float32((top - bottom) / (high - low))) or 1.0
    return OutputCodes(np.empty(0), scale, int(np.clip(np.rint(low - bottom / scale), low, high)), low, high)


class MatMulNBits(_OnnxProduct):
    """Weights in blocks of 4 or 8 bits along k, unsigned with a zero point; f32 activations and sums."""

    def build(self, graph: Graph, problem: GemmProblem, device: Device) -> dict[str, Any]:
        weight = problem.weight.quantized
        assert weight is not None, "planned for a quantized weight"
        bits, group = weight.scheme.element.bits, weight.scheme.blocks.cols or problem.k
        offset = 1 << bits - 1 if weight.scheme.element.signed else 0
        codes = weight.codes.astype(np.int16) + offset
        blocks = -(-problem.k // group)
        zero = weight.params.zero_point
        zeros = np.full(weight.params.scale.shape, offset) if zero is None else zero + offset
        padded = np.zeros((problem.n, blocks * group), dtype=np.uint8)
        padded[:, : problem.k] = codes
        blob = pack_nibbles(padded) if bits == 4 else padded
        graph.inputs["x"] = ("f32", (problem.m, problem.k))
        graph.constant("w", blob.reshape(problem.n, blocks, group * bits // 8))
        graph.constant("w_scale", weight.params.scale.astype(np.float32).ravel())
        graph.constant("w_zero", _packed_zero_points(zeros, bits).ravel())
        graph.node(
            "MatMulNBits",
            ["x", "w", "w_scale", "w_zero"],
            ["y"],
            domain="com.microsoft",
            K=problem.k,
            N=problem.n,
            bits=bits,
            block_size=group,
        )
        return {"x": problem.activation.values}


def _packed_zero_points(zeros: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """One row a column of B, padded to whole bytes."""
    if bits == 8:
        return zeros.astype(np.uint8)
    if zeros.shape[1] % 2:
        zeros = np.pad(zeros, ((0, 0), (0, 1)))
    return pack_nibbles(zeros).reshape(zeros.shape[0], -1)

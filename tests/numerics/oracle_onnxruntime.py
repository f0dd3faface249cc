"""The harness against onnxruntime's QuantizeLinear and DequantizeLinear on the CPU.

It divides by the scale, rounds half to even, adds the zero point afterwards and saturates, as the harness does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from oracle_outcome import OracleRow, Outcome, differing, f32_sweep

from harness.numerics.calibrate import QuantParams
from harness.numerics.formats import FORMATS
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.scales import Scales
from harness.numerics.scheme import OperandScheme

TYPES = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
    "fp8_e4m3": TensorProto.FLOAT8E4M3FN,
    "fp8_e5m2": TensorProto.FLOAT8E5M2,
    # Only newer versions know two bits.
    "int2": getattr(TensorProto, "INT2", None),
    "uint2": getattr(TensorProto, "UINT2", None),
}


class UnsupportedError(Exception):
    """This version of onnxruntime has no such operator."""


@dataclass(frozen=True)
class Layout:
    """How scales lie: for the harness a granularity, for ONNX an axis and a block size."""

    granularity: str
    shape: tuple[int, ...]
    axis: int | None = None
    block: int = 0
    channel_axis: int = 0


LAYOUTS = {
    "per tensor": Layout("per_tensor", (137, 253)),
    "per axis 0": Layout("per_channel", (137, 253), axis=0),
    "per axis 2 of 4": Layout("per_channel", (6, 10, 14, 22), axis=2, channel_axis=2),
    "blocks of 16, tail 5": Layout("per_group:16", (119, 245), axis=1, block=16),
    "blocks down the rows": Layout("per_block:8x1", (137, 121), axis=0, block=8),
}


def _constant(name: str, kind: int, values: NDArray[Any]) -> Any:
    """A constant of any type; ONNX's helper packs four-bit and eight-bit-float values itself."""
    return helper.make_tensor(name, kind, values.shape, values.ravel().tolist())


def quantize_linear(
    x: NDArray[np.float32], scale: NDArray[np.float32], zero_point: NDArray[Any], name: str, layout: Layout
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(codes as f32, dequantized values). Codes of float formats come as the values that they stand for."""
    kind = TYPES[name]
    if kind is None:
        raise UnsupportedError(name)
    where: dict[str, Any] = {} if layout.axis is None else {"axis": layout.axis}
    if layout.block:
        where["block_size"] = layout.block
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], **where),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], **where),
        helper.make_node("DequantizeLinear", ["q", "one"], ["codes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "oracle",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, x.shape) for output in ("codes", "y")],
        [
            numpy_helper.from_array(scale, "scale"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            _constant("zero", kind, zero_point),
        ],
    )
    two_bits = name in ("int2", "uint2")
    opset = helper.make_opsetid("", 25 if two_bits else 21)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=13 if two_bits else 10)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if two_bits:
            raise UnsupportedError(str(error)) from error
        raise
    codes, values = session.run(["codes", "y"], {"x": x})
    return codes, values


def _sweep(name: str) -> Outcome:
    """At scale 1 every kind of f32 (see ``f32_sweep``)."""
    row, x = FORMATS[name], f32_sweep()
    layout = Layout("per_tensor", x.shape)
    theirs, _ = quantize_linear(x, np.array(1, np.float32), np.array(0), name, layout)
    ours = row.decode(row.encode(x))
    if row.is_integer:
        theirs = theirs + np.float32(0)  # the sign of zero is lost in an integer
    return Outcome(name, "onnxruntime", "QuantizeLinear at scale 1", x.size, differing(ours, theirs))


def _random(name: str, where: str) -> Outcome:
    """Random scales and zero points over a tensor with many ties: codes and dequantized values, both counted."""
    row, layout = FORMATS[name], LAYOUTS[where]
    rng = np.random.default_rng(len(name) + len(where))
    scheme = OperandScheme(name, layout.granularity)
    grid = scheme.blocks.tiling(layout.shape, layout.channel_axis).grid
    scale = np.exp2(rng.integers(-5, 4, grid)).astype(np.float32)
    scale = np.where(rng.random(grid) < 0.5, scale, np.exp(rng.normal(-1, 1, grid))).astype(np.float32)
    x = (rng.integers(-512, 513, layout.shape) / 64).astype(np.float32)
    x = np.where(rng.random(layout.shape) < 0.5, x, rng.standard_normal(layout.shape) * 20).astype(np.float32)
    zero_point = np.zeros(grid, np.int32)
    if row.is_integer:
        low, high = row.limits()
        zero_point = rng.integers(low, high + 1, grid).astype(np.int32)
    flat = layout.granularity in ("per_tensor", "per_channel")
    onnx_shape = () if layout.axis is None else (-1,) if flat else grid
    codes, values = quantize_linear(x, scale.reshape(onnx_shape), zero_point.reshape(onnx_shape), name, layout)
    params = QuantParams(Scales(scale), zero_point if row.is_integer else None)
    asymmetric = OperandScheme(name, layout.granularity, symmetric=not row.is_integer)
    quantized = quantize(x, asymmetric, channel_axis=layout.channel_axis, params=params)
    wrong = differing(row.decode(quantized.codes), codes) + differing(dequantize(quantized), values)
    return Outcome(name, "onnxruntime", where, 2 * x.size, wrong)


ROWS = (
    *(OracleRow(f"{name} sweep", functools.partial(_sweep, name)) for name in TYPES),
    *(OracleRow(f"{name} {where}", functools.partial(_random, name, where)) for name in TYPES for where in LAYOUTS),
)

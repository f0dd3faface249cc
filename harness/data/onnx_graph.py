"""The layers of an ONNX graph that are matrix products with a constant weight: Conv, MatMul and Gemm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper

from harness.data.layer import Kind
from harness.data.patches import ConvGeometry
from harness.errors import DataError

WEIGHT_SUFFIXES = (".w_0", ".weight", "/weight", "_weight")
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)


@dataclass(frozen=True, eq=False)
class OnnxLayer:
    """A node whose second input is a constant weight.

    ``input`` is the graph tensor that it reads; ``tensor`` the weight's name. ``transposed`` says that the weight is
    stored [k, n]. ``conv`` is set for Conv; ``input_transposed`` for a Gemm that reads its input as [k, m].
    """

    name: str
    kind: Kind
    input: str
    tensor: str
    weight: onnx.TensorProto
    groups: int = 1
    transposed: bool = False
    input_transposed: bool = False
    conv: ConvGeometry | None = None


def read_onnx(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file with its external data. Raises DataError when it is none."""
    if not path.is_file():
        raise DataError(f"{path}: must be an ONNX file (got {'a folder' if path.is_dir() else 'nothing there'})")
    try:
        model: onnx.ModelProto = onnx.load(str(path))
    except (DecodeError, UnicodeDecodeError) as error:
        raise _not_onnx(path, "bytes of another format, or a cut file") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise DataError(
            f"{path}: its external data must lie beside it (got: {error}); copy the data files too"
        ) from error
    if model.ir_version == 0 or not model.graph.node:
        raise _not_onnx(path, f"{path.stat().st_size} bytes without a graph")
    return model


def _not_onnx(path: Path, got: str) -> DataError:
    return DataError(f"{path}: must be an ONNX model (got {got}); export it with torch.onnx.export or paddle2onnx, say")


def constants_of(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers and the values of Constant nodes, also where an Identity renames them, by tensor name."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name == "value":
                    found[node.output[0]] = attribute.t
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def as_float32(name: str, tensor: onnx.TensorProto) -> NDArray[np.float32]:
    """A constant as float32. Raises DataError when it does not hold floats."""
    array = np.asarray(numpy_helper.to_array(tensor))
    if tensor.data_type not in FLOATS:
        raise DataError(f"{name}: must hold floating-point numbers (got {array.dtype}); choose a layer's weight")
    return array.astype(np.float32)


def layers_of(model: onnx.ModelProto) -> tuple[OnnxLayer, ...]:
    """The graph's Conv, MatMul and Gemm nodes with a constant float weight, in graph order, under unique names.

    A layer is called after its weight (``conv2d_184.w_0`` makes ``conv2d_184``), or after its node where the exporter
    numbered the weight (``onnx::MatMul_123``). A name that comes again gets ``:2``, ``:3``, … . Subgraphs of If and
    Loop are not searched.
    """
    constants = constants_of(model)
    seen: Counter[str] = Counter()
    layers = []
    for node in model.graph.node:
        if node.op_type not in _LAYERS or len(node.input) < 2:
            continue
        weight = constants.get(node.input[1])
        if weight is None or weight.data_type not in FLOATS or node.input[0] in constants:
            continue
        layer = _LAYERS[node.op_type](node, weight)
        if layer is None:
            continue
        seen[layer.name] += 1
        repeat = seen[layer.name]
        layers.append(layer if repeat == 1 else replace(layer, name=f"{layer.name}:{repeat}"))
    return tuple(layers)


def _name(node: onnx.NodeProto) -> str:
    weight = str(node.input[1])
    if (weight.startswith("onnx::") or weight.isdigit()) and node.name:
        return str(node.name)
    for suffix in WEIGHT_SUFFIXES:
        if weight.endswith(suffix) and len(weight) > len(suffix):
            return weight.removesuffix(suffix)
    return weight


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _conv(node: onnx.NodeProto, weight: onnx.TensorProto) -> OnnxLayer | None:
    kernel = tuple(weight.dims)[2:]
    if not kernel:
        return None
    attributes, rank = _attributes(node), len(kernel)
    geometry = ConvGeometry(
        kernel=kernel,
        strides=tuple(attributes.get("strides", (1,) * rank)),
        dilations=tuple(attributes.get("dilations", (1,) * rank)),
        pads=tuple(attributes.get("pads", (0,) * (2 * rank))),
        auto_pad=bytes(attributes.get("auto_pad", b"NOTSET")).decode(),
    )
    groups = int(attributes.get("group", 1))
    return OnnxLayer(_name(node), "conv", node.input[0], node.input[1], weight, groups=groups, conv=geometry)


def _matmul(node: onnx.NodeProto, weight: onnx.TensorProto) -> OnnxLayer | None:
    if len(weight.dims) != 2:
        return None
    return OnnxLayer(_name(node), "linear", node.input[0], node.input[1], weight, transposed=True)


def _gemm(node: onnx.NodeProto, weight: onnx.TensorProto) -> OnnxLayer | None:
    attributes = _attributes(node)
    flipped, input_transposed = not attributes.get("transB", 0), bool(attributes.get("transA", 0))
    return OnnxLayer(
        _name(node),
        "linear",
        node.input[0],
        node.input[1],
        weight,
        transposed=flipped,
        input_transposed=input_transposed,
    )


_LAYERS: dict[str, Callable[[onnx.NodeProto, onnx.TensorProto], OnnxLayer | None]] = {
    "Conv": _conv,
    "MatMul": _matmul,
    "Gemm": _gemm,
}

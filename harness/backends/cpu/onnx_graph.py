"""Small onnxruntime graphs: built in memory, inputs bound once, run many times."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from harness.cores import CORES
from harness.numerics.packing import pack_nibbles, unpack_nibbles

OPSET = 21
IR_VERSION = 10

ELEMENT_TYPES = {
    "f32": TensorProto.FLOAT,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
    "int32": TensorProto.INT32,
    "fp8_e4m3": TensorProto.FLOAT8E4M3FN,
    "fp8_e5m2": TensorProto.FLOAT8E5M2,
}


@dataclass
class Graph:
    """A graph under construction. Values are named; ``constants`` become initializers."""

    inputs: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def node(self, op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def raw_constant(self, name: str, element: str, shape: Sequence[int], data: bytes) -> str:
        """A constant of a type that NumPy lacks, from its packed bytes."""
        self.constants.append(helper.make_tensor(name, ELEMENT_TYPES[element], list(shape), data, raw=True))
        return name

    def session(self, feeds: Mapping[str, Any], *, optimise: bool = True) -> BoundSession:
        """Build, check by loading, and bind ``feeds`` (arrays, or OrtValues of types that NumPy lacks)."""
        inputs = [helper.make_tensor_value_info(n, ELEMENT_TYPES[t], s) for n, (t, s) in self.inputs.items()]
        outputs = [helper.make_tensor_value_info(n, ELEMENT_TYPES[t], None) for n, t in self.outputs.items()]
        graph = helper.make_graph(self.nodes, "kernel", inputs, outputs, initializer=self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        _keep_to_cores(options)
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return BoundSession(session, feeds, tuple(self.outputs))


def _keep_to_cores(options: onnxruntime.SessionOptions) -> None:
    """One thread a core, each kept to its own: the pool's to all but the first, which is left to the thread that launches.

    Threads that the system moves about, or pools of several sessions that wait for work on the same core, make one
    session up to twice as slow as an equal one for as long as they live.
    """
    options.intra_op_num_threads = len(CORES)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if len(CORES) > 1:
        options.add_session_config_entry(
            "session.intra_op_thread_affinities", ";".join(str(core + 1) for core in CORES[1:])
        )


class BoundSession:
    """A session with its inputs bound; ``run`` is one launch."""

    def __init__(self, session: Any, feeds: Mapping[str, Any], outputs: tuple[str, ...]) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._values = {name: as_ort_value(value) for name, value in feeds.items()}
        for name, value in self._values.items():
            self._binding.bind_ortvalue_input(name, value)
        self._outputs = outputs
        for name in outputs:
            self._binding.bind_output(name)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def output(self, name: str) -> Any:
        """The OrtValue of the last run."""
        return self._binding.get_outputs()[self._outputs.index(name)]


def as_ort_value(value: Any) -> Any:
    if isinstance(value, onnxruntime.OrtValue):
        return value
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))


def array_of(value: Any) -> NDArray[Any]:
    """A tensor as an array; types that NumPy lacks come as their codes, one an element."""
    element = value.element_type()
    if element not in (ELEMENT_TYPES[name] for name in ("int4", "uint4", "fp8_e4m3", "fp8_e5m2")):
        array: NDArray[Any] = value.numpy()
        return array
    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    nibbles = element in (ELEMENT_TYPES["int4"], ELEMENT_TYPES["uint4"])
    size = (count + 1) // 2 if nibbles else count
    data = np.frombuffer(ctypes.string_at(value.data_ptr(), size), dtype=np.uint8) if count else np.empty(0, np.uint8)
    if nibbles:
        return unpack_nibbles(data, count, signed=element == ELEMENT_TYPES["int4"]).reshape(shape)
    return data.reshape(shape)


def zero_point_bytes(element: str, values: NDArray[np.int32]) -> bytes:
    """Zero points in the packed form of their element type."""
    if element in ("int4", "uint4"):
        return pack_nibbles(values.ravel()).tobytes()
    return values.astype(np.int8 if element == "int8" else np.uint8).tobytes()

"""Run an ONNX model and keep the inputs of its Conv, MatMul and Gemm layers as matrices.

Works on any model: every such input becomes a graph output, and onnxruntime runs with its graph optimisations off, so
that nothing is fused away. Values are reproducible on one machine; between machines they agree to float32 rounding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from harness.data.feeds import check_feed
from harness.data.hints import near_or_some
from harness.data.onnx_graph import OnnxLayer, layers_of, read_onnx
from harness.data.patches import conv_rows, row_count
from harness.data.seeding import seeded_generator
from harness.errors import DataError

MAX_ROWS = 16384
PROTOBUF_LIMIT = 1_900_000_000  # a message of 2 GiB cannot be serialised; such a model goes through a temporary file
PROVIDERS = ["CPUExecutionProvider"]

Feed = Mapping[str, NDArray[np.generic]]


def capture(
    onnx_path: Path | str,
    feeds: Iterable[Feed],
    *,
    layers: Sequence[str] | None = None,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> dict[str, NDArray[np.float32]]:
    """Each layer's input as float32 [rows, k], by layer name; ``rows @ weight.matrix.T`` is the layer's product.

    MatMul and Gemm: leading axes are flattened. Conv: im2col, columns in the order of ``weight.reshape(O, -1)``; a
    convolution with groups is no matrix product and is left out. Above ``max_rows``, rows are drawn without replacement
    by ``seed`` and the layer's name, and kept in order; memory is bounded by the sample and one feed's activations.
    ``layers`` chooses by name; default all.
    Raises DataError when the file is no ONNX model, has no such layers, or when a feed does not fit its inputs.
    """
    path = Path(onnx_path)
    model = read_onnx(path)
    chosen = _choose(path, layers_of(model), layers)
    if max_rows < 1:
        raise DataError(f"{path}: max_rows must be 1 or more (got {max_rows})")
    generators = {layer.name: seeded_generator("capture", seed, layer.name) for layer in chosen}
    samples = {layer.name: RowSample(layer, max_rows, generators[layer.name]) for layer in chosen}
    for activations in run_with_inputs(path, model, chosen, feeds):
        for layer in chosen:
            samples[layer.name].add(activations[layer.input])
    return {name: sample.rows for name, sample in samples.items()}


def save_capture(path: Path | str, captured: Mapping[str, NDArray[np.float32]]) -> None:
    """Write a capture for ``file: path#layer`` in a suite: ``.safetensors``, or ``.npz`` (uncompressed).

    Raises DataError for another extension or an unwritable path.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            save_file({name: np.ascontiguousarray(rows) for name, rows in captured.items()}, path)
        elif path.suffix == ".npz":
            np.savez(path, **dict(captured))  # type: ignore[arg-type]
        else:
            raise DataError(f"{path}: a capture must end in .safetensors or .npz (got {path.suffix!r}); rename it")
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: must be writable (got: {error}); choose another folder") from error


def run_with_inputs(
    path: Path, model: onnx.ModelProto, layers: Sequence[OnnxLayer], feeds: Iterable[Feed]
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Run the model on each feed; yields the layers' input tensors, as the model makes them, by tensor name."""
    inputs = {value.name for value in model.graph.input}
    wanted = list(dict.fromkeys(layer.input for layer in layers))
    outputs = [name for name in wanted if name not in inputs]
    session = _session(path, model, outputs)
    ran = False
    for feed in feeds:
        check_feed(path, model, feed)
        try:
            results = session.run(outputs, dict(feed)) if outputs else []
        except Exception as error:  # onnxruntime's exceptions have no common base
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in feed.items())
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: must run on the feed {shapes} (got: {reason}); change the feed's shape"
            ) from error
        ran = True
        yield {name: np.asarray(feed[name]) for name in wanted if name in inputs} | dict(
            zip(outputs, results, strict=True)
        )
    if not ran:
        raise DataError(f"{path}: a capture needs at least one feed (got none); pass a mapping of inputs")


def _choose(path: Path, found: tuple[OnnxLayer, ...], names: Sequence[str] | None) -> tuple[OnnxLayer, ...]:
    products = tuple(layer for layer in found if layer.groups == 1)
    if not products:
        raise DataError(
            f"{path}: must have a Conv, MatMul or Gemm layer with a constant weight (got none); export it with weights"
        )
    if names is None:
        return products
    known = {layer.name: layer for layer in found}
    for name in names:
        if name not in known:
            raise DataError(f"{path}: has no layer {name!r}; {near_or_some(name, [p.name for p in products])}")
        if known[name].groups > 1:
            groups = known[name].groups
            raise DataError(f"{path}: {name} must have groups=1 to be a product (got {groups}); leave it out")
    return tuple(known[name] for name in dict.fromkeys(names))


def _session(path: Path, model: onnx.ModelProto, outputs: Sequence[str]) -> onnxruntime.InferenceSession:
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    present = {value.name for value in extended.graph.output}
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in present)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        if extended.ByteSize() < PROTOBUF_LIMIT:
            return onnxruntime.InferenceSession(extended.SerializeToString(), options, providers=PROVIDERS)
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "model.onnx")
            onnx.save_model(extended, file, save_as_external_data=True, location="weights")
            return onnxruntime.InferenceSession(file, options, providers=PROVIDERS)
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise DataError(f"{path}: onnxruntime must be able to load it (got: {str(error).splitlines()[0]})") from error


@dataclass(eq=False)
class RowSample:
    """A uniform sample, without replacement, of the rows of a matrix that arrives in parts.

    Every row gets a random key; the ``limit`` rows with the smallest keys are the sample. Only rows that are among them
    when their part arrives are ever materialised.
    """

    layer: OnnxLayer
    limit: int
    generator: np.random.Generator
    _parts: list[NDArray[np.float32]] = field(default_factory=list)
    _keys: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def add(self, activation: NDArray[np.generic]) -> None:
        """Offer the rows of one activation."""
        count = _rows_of(activation, self.layer)
        keys = np.concatenate([self._keys, self.generator.random(count)])
        kept = np.sort(np.argsort(keys, kind="stable")[: self.limit])
        old = len(self._keys)
        mine = kept[kept >= old] - old
        if len(kept) < len(keys):
            self._parts = [self.rows[kept[kept < old]]] if old else []
        self._parts.append(_matrix_rows(activation, self.layer, mine))
        self._keys = keys[kept]

    @property
    def rows(self) -> NDArray[np.float32]:
        """The sample so far, in the order of arrival."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]


def _rows_of(activation: NDArray[np.generic], layer: OnnxLayer) -> int:
    if layer.conv is not None:
        return row_count(activation.shape, layer.conv)
    shape = activation.T.shape if layer.input_transposed else activation.shape
    return int(np.prod(shape[:-1], dtype=np.int64))


def _matrix_rows(activation: NDArray[np.generic], layer: OnnxLayer, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    if layer.conv is not None:
        return conv_rows(activation, layer.conv, rows)
    array = activation.T if layer.input_transposed else activation
    return np.ascontiguousarray(array.reshape(-1, array.shape[-1])[rows], dtype=np.float32)

"""Where a tensor comes from: what the rest of the harness sees of this package.

``parse_source`` makes a ``DataSource`` of what a suite says; ``load`` makes an array of a ``DataSource``. Planning uses
``label``, ``source_shape`` and ``required_models``, none of which needs a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.files import FileTensor
from harness.data.index import TensorInfo, tensor_info
from harness.data.seeding import random_order, seeded_generator
from harness.data.synthetic import Synthetic, generate
from harness.errors import DataError

__all__ = [
    "CapturedActivation",
    "DataSource",
    "FileTensor",
    "ModelTensor",
    "Progress",
    "Synthetic",
    "captured_for",
    "load",
    "parse_source",
    "required_models",
    "source_shape",
]

Progress = Callable[[str], None]

ACTIVATION = "activation"


@dataclass(frozen=True)
class ModelTensor:
    """The weight of a layer of a known model."""

    model: str
    tensor: str

    @property
    def label(self) -> str:
        """``model:minilm-l6/encoder.layer.0.output.dense``."""
        return f"model:{self.model}/{self.tensor}"

    @property
    def info(self) -> TensorInfo:
        """The layer's row of the index."""
        return tensor_info(self.model, self.tensor)


@dataclass(frozen=True)
class CapturedActivation:
    """The input of a layer of a known model, captured on sample images."""

    model: str
    tensor: str

    @property
    def label(self) -> str:
        """``captured:rapidocr-rec/conv2d_184``."""
        return f"captured:{self.model}/{self.tensor}"

    @property
    def info(self) -> TensorInfo:
        """The layer's row of the index."""
        return tensor_info(self.model, self.tensor)


DataSource = Synthetic | ModelTensor | CapturedActivation | FileTensor


def parse_source(value: str | Mapping[str, object], *, base: Path | str = ".") -> DataSource:
    """Read a suite's word for data.

    ``"model:NAME/LAYER"``, ``"file:PATH#KEY"``, ``{"file": "PATH#KEY"}`` or ``{"distribution": NAME, …}``; relative
    paths are resolved against ``base``, the suite file's folder. ``captured`` depends on the weight: ``captured_for``.
    Raises DataError for anything else and for unknown models, layers, distributions and parameters.
    """
    if isinstance(value, Mapping):
        return _parse_mapping(value, base)
    kind, colon, rest = str(value).partition(":")
    if colon and kind == "model":
        model, _, tensor = rest.partition("/")
        return ModelTensor(model, tensor_info(model, tensor).name)
    if colon and kind == "file":
        return FileTensor.parse(rest, base)
    if value == "captured":
        raise DataError(
            "data: `captured` needs the weight whose input it is (got none); set `weight: model:NAME/LAYER`"
        )
    forms = "`model:NAME/LAYER`, `file:PATH#KEY`, {distribution: NAME} or {file: PATH#KEY}"
    raise DataError(f"data: must be {forms} (got {value!r}); write one of these")


def captured_for(weight: DataSource) -> CapturedActivation:
    """What ``activation: captured`` means beside that weight.

    Raises DataError when the weight is no layer of a model whose inputs can be captured.
    """
    if not isinstance(weight, ModelTensor):
        raise DataError(
            f"activation: `captured` needs a weight of the form `model:NAME/LAYER` (got {weight.label}); give the "
            "activation a distribution or a file"
        )
    if weight.info.captured_rows == 0:
        raise DataError(
            f"activation: the input of {weight.label} cannot be captured (got no capture in the index); give "
            "the activation a distribution or a file"
        )
    return CapturedActivation(weight.model, weight.tensor)


def source_shape(source: DataSource) -> tuple[int, ...] | None:
    """The data's own shape: [n, k] of a model's weight, [rows, k] of a capture, a file's shape; None when synthetic.

    Raises DataError for a file that cannot be read.
    """
    match source:
        case ModelTensor():
            return source.info.matrix
        case CapturedActivation():
            return source.info.captured_rows, source.info.matrix[1]
        case FileTensor():
            return source.shape()
        case Synthetic():
            return None


def required_models(source: DataSource) -> tuple[str, ...]:
    """Names of the models and assets that ``harness.data.models.pull`` has to bring before ``load`` runs offline."""
    from harness.data.models import MODELS  # imports onnx, which synthetic data do without
    from harness.data.recipes import RECIPES

    match source:
        case ModelTensor():
            return (source.model,)
        case CapturedActivation():
            return source.model, RECIPES[str(MODELS[source.model].recipe)].asset
        case _:
            return ()


def load(
    source: DataSource,
    shape: tuple[int, ...],
    *,
    seed: int,
    role: str,
    shape_name: str,
    offline: bool = False,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The tensor as C-contiguous float32 of exactly ``shape``.

    Synthetic data are made in that shape. A model's weight comes as the matrix [n, k] when ``shape`` has two extents,
    in its stored shape otherwise. A capture, and a file in the role ``activation``, may have more rows than asked for:
    then the first ``shape[0]`` of a permutation, seeded by ``seed`` and the source, are taken, so that a smaller m is
    the beginning of a larger one.
    Raises DataError when the data cannot be read or have another shape, and as ``pull`` does.
    """
    match source:
        case Synthetic():
            return generate(source, shape, seed, role, shape_name)
        case ModelTensor():
            from harness.data.models import load_weight  # imports onnx, which synthetic data do without

            weight = load_weight(source.model, source.tensor, offline=offline, progress=progress)
            return _exactly(source, weight.matrix if len(shape) == 2 else weight.array, shape, shape_name)
        case CapturedActivation():
            from harness.data.captured import captured_activation  # imports onnxruntime

            rows = captured_activation(source.model, source.tensor, offline=offline, progress=progress)
            return _rows(source, rows, shape, seed, shape_name)
        case FileTensor():
            array = source.load()
            if role == ACTIVATION and len(shape) == 2:
                return _rows(source, array, shape, seed, shape_name)
            return _exactly(source, array, shape, shape_name)


def _exactly(
    source: DataSource, array: NDArray[np.float32], shape: tuple[int, ...], shape_name: str
) -> NDArray[np.float32]:
    if array.shape != tuple(shape):
        got = f"{list(array.shape)}; set the shape's extents to that"
        raise DataError(f"{shape_name}: {source.label} must have shape {list(shape)} (got {got})")
    return np.ascontiguousarray(array)


def _rows(
    source: DataSource, array: NDArray[np.float32], shape: tuple[int, ...], seed: int, shape_name: str
) -> NDArray[np.float32]:
    if array.ndim != 2 or len(shape) != 2 or array.shape[1] != shape[1]:
        return _exactly(source, array, shape, shape_name)
    wanted, there = shape[0], array.shape[0]
    if wanted > there:
        raise DataError(f"{shape_name}: m must be at most {there}, the rows of {source.label} (got {wanted}); lower m")
    if wanted == there and isinstance(source, FileTensor):
        return array
    order = random_order(seeded_generator("rows", int(seed), source.label), there)
    return np.ascontiguousarray(array[order[:wanted]])


def _parse_mapping(value: Mapping[str, object], base: Path | str) -> DataSource:
    if "file" not in value:
        if "distribution" not in value:
            keys = ", ".join(str(key) for key in value) or "nothing"
            raise DataError(f"data: must have `distribution` or `file` (got {keys}); add `distribution: normal`, say")
        return Synthetic.from_mapping(value)
    others = [str(key) for key in value if key != "file"]
    if others:
        raise DataError(f"data: `file` takes no other keys (got {', '.join(others)}); remove them")
    if not isinstance(value["file"], str):
        raise DataError(f"data: `file` must be text like `path.npz#key` (got {value['file']!r})")
    return FileTensor.parse(value["file"], base)

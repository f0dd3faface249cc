"""The committed index of the models' layers: shapes without a download, so that planning needs no network.

``python -m harness.data.build_index --write`` pulls every model, captures where there is a recipe, and writes
``model_index.json``; without ``--write`` it says whether the file is up to date.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.data.hints import near_or_some
from harness.data.layer import StoredLayer
from harness.errors import DataError, did_you_mean

INDEX_PATH = Path(__file__).with_name("model_index.json")


@dataclass(frozen=True, kw_only=True)
class TensorInfo(StoredLayer):
    """A layer of a known model. ``captured_rows`` is how many rows of its input a capture holds, 0 for none."""

    model: str
    captured_rows: int = 0

    @property
    def is_product(self) -> bool:
        """Whether the layer is one matrix product: a linear layer, or a convolution without groups."""
        return self.groups == 1


@dataclass(frozen=True)
class ModelIndex:
    """A model's layers, and the SHA-256 of the wheel that they were read from."""

    wheel_sha256: str
    layers: tuple[TensorInfo, ...]


def tensor_info(model: str, tensor: str) -> TensorInfo:
    """A layer by its name or by its weight's full name. Raises DataError for an unknown model or layer."""
    names = _names(model)
    if tensor not in names:
        raise DataError(f"model:{model}: has no layer {tensor!r}; {near_or_some(tensor, layer_names(model))}")
    return names[tensor]


def layer_names(model: str) -> tuple[str, ...]:
    """The model's layers in the file's order. Raises DataError for an unknown model."""
    return tuple(layer.name for layer in model_index(model).layers)


def model_index(model: str) -> ModelIndex:
    """The index of one model. Raises DataError for an unknown one."""
    index = read_index()
    if model not in index:
        raise DataError(f"model: must be a known one (got {model!r}); {did_you_mean(model, index)}")
    return index[model]


@lru_cache(maxsize=1)
def read_index() -> dict[str, ModelIndex]:
    """The committed file, by model."""
    raw = json.loads(INDEX_PATH.read_text(encoding="utf-8"))
    return {model: _parse(model, entry["wheel_sha256"], entry["layers"]) for model, entry in raw.items()}


def format_index(index: dict[str, ModelIndex]) -> str:
    """The file's text: JSON with one line a layer, so that a change shows as the layers that changed."""
    blocks = []
    for model, entry in index.items():
        layers = ",\n".join(f"   {json.dumps(layer.name)}: {json.dumps(_fields(layer))}" for layer in entry.layers)
        digest = json.dumps(entry.wheel_sha256)
        blocks.append(f' {json.dumps(model)}: {{\n  "wheel_sha256": {digest},\n  "layers": {{\n{layers}\n  }}\n }}')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


@lru_cache(maxsize=16)
def _names(model: str) -> dict[str, TensorInfo]:
    layers = model_index(model).layers
    return {layer.tensor: layer for layer in layers} | {layer.name: layer for layer in layers}


def _fields(layer: TensorInfo) -> dict[str, object]:
    return {
        "tensor": layer.tensor,
        "matrix": list(layer.matrix),
        "stored": list(layer.stored),
        "kind": layer.kind,
        "groups": layer.groups,
        "transposed": layer.transposed,
        "captured_rows": layer.captured_rows,
    }


def _parse(model: str, digest: str, layers: dict[str, dict[str, object]]) -> ModelIndex:
    return ModelIndex(digest, tuple(_layer(model, name, dict(fields)) for name, fields in layers.items()))


def _layer(model: str, name: str, fields: dict[str, object]) -> TensorInfo:
    matrix, stored = fields.pop("matrix"), fields.pop("stored")
    assert isinstance(matrix, list) and isinstance(stored, list)
    layer = TensorInfo(model=model, name=name, stored=tuple(stored), **fields)  # type: ignore[arg-type]
    if list(layer.matrix) != matrix:
        raise DataError(f"{INDEX_PATH.name}: {model}/{name} must be {list(layer.matrix)} (got {matrix}); write it anew")
    return layer

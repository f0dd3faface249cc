"""A model's weights in the shape that matrix products want, whatever the file's format.

``READERS`` has one row per format. A reader lists the layers of a file and loads one of its tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.ctranslate2 import read_model
from harness.data.hints import near_or_some
from harness.data.layer import Kind, StoredLayer
from harness.data.onnx_graph import as_float32, constants_of, layers_of, read_onnx
from harness.data.safetensors_file import load_safetensors, open_safetensors
from harness.errors import DataError


@dataclass(frozen=True, eq=False)
class Weight:
    """A layer's weight, float32: ``array`` is [n, k] for a linear layer, [O, I/groups, *kernel] for a convolution."""

    array: NDArray[np.float32]
    kind: Kind
    groups: int = 1

    @property
    def matrix(self) -> NDArray[np.float32]:
        """[n, k], with k = I/groups * prod(kernel) for a convolution.

        With ``groups`` above 1 the rows read different inputs: fit for one-tensor operations, not for a matrix product.
        """
        return self.array.reshape(self.array.shape[0], -1)


class Reader(Protocol):
    """What a row of ``READERS`` offers."""

    def layers(self, path: Path) -> tuple[StoredLayer, ...]:
        """Linear and convolution layers in the file's order."""
        ...

    def load(self, path: Path, tensor: str) -> NDArray[np.float32]:
        """A tensor by its full name, in its stored shape."""
        ...


def to_weight(layer: StoredLayer, array: NDArray[np.float32]) -> Weight:
    """The weight of a layer from its stored array."""
    return Weight(np.ascontiguousarray(array.T) if layer.transposed else array, layer.kind, layer.groups)


class OnnxReader:
    """Weights are initializers or Constant nodes; MatMul stores them [in, out]."""

    def layers(self, path: Path) -> tuple[StoredLayer, ...]:
        """See ``Reader``."""
        return tuple(
            StoredLayer(
                name=layer.name,
                tensor=layer.tensor,
                stored=tuple(layer.weight.dims),
                kind=layer.kind,
                groups=layer.groups,
                transposed=layer.transposed,
            )
            for layer in layers_of(read_onnx(path))
        )

    def load(self, path: Path, tensor: str) -> NDArray[np.float32]:
        """See ``Reader``."""
        constants = constants_of(read_onnx(path))
        return as_float32(tensor, constants[_known(tensor, constants, path)])


class SafetensorsReader:
    """The layout of torch modules: ``<layer>.weight``, [out, in] or [O, I, *kernel]."""

    def layers(self, path: Path) -> tuple[StoredLayer, ...]:
        """See ``Reader``."""
        with open_safetensors(path) as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return _by_suffix(shapes, ".weight")

    def load(self, path: Path, tensor: str) -> NDArray[np.float32]:
        """See ``Reader``."""
        return load_safetensors(path, tensor).astype(np.float32)


class CTranslate2Reader:
    """Linear weights are [out, in], 1-D convolutions [O, I, kernel]; a projection may be an embedding's alias."""

    def layers(self, path: Path) -> tuple[StoredLayer, ...]:
        """See ``Reader``."""
        model = read_model(path)
        shapes = {name: variable.shape for name, variable in model.variables.items()}
        shapes |= {alias: shapes[target] for alias, target in model.aliases.items()}
        return _by_suffix(shapes, "/weight")

    def load(self, path: Path, tensor: str) -> NDArray[np.float32]:
        """See ``Reader``."""
        model = read_model(path)
        return model.load(_known(tensor, {**model.variables, **model.aliases}, path))


READERS: dict[str, Reader] = {
    "onnx": OnnxReader(),
    "safetensors": SafetensorsReader(),
    "ctranslate2": CTranslate2Reader(),
}


def _by_suffix(shapes: dict[str, tuple[int, ...]], suffix: str) -> tuple[StoredLayer, ...]:
    return tuple(
        StoredLayer(
            name=name.removesuffix(suffix), tensor=name, stored=shape, kind="linear" if len(shape) == 2 else "conv"
        )
        for name, shape in shapes.items()
        if name.endswith(suffix) and len(shape) >= 2
    )


def _known(tensor: str, known: dict[str, Any], path: Path) -> str:
    if tensor not in known:
        raise DataError(f"{path.name}: has no tensor {tensor!r}; {near_or_some(tensor, known)}")
    return tensor

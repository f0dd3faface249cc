"""Inputs of the known models' layers, captured once on sample images and kept in the cache.

All layers of a model are captured in one run of it; at most ``CAPTURE_ROWS`` rows a layer are kept, so that a model's
file stays below 200 MB. Each layer's SHA-256 is in the file's metadata and is checked when the layer is read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from harness.data.cache import cache_root, scratch_folder, unwritable
from harness.data.capture import capture
from harness.data.index import tensor_info
from harness.data.models import ASSETS, MODELS, Model, pull
from harness.data.recipes import RECIPES
from harness.data.safetensors_file import open_safetensors
from harness.data.wheel import Progress
from harness.errors import DataError

CAPTURE_ROWS = 4096


def captured_activation(
    model: str, tensor: str, *, offline: bool = False, progress: Progress | None = None
) -> NDArray[np.float32]:
    """The input of a layer as float32 [rows, k], at most ``CAPTURE_ROWS`` rows in the order of the images.

    The first call for a model pulls it and the sample images and runs it on them (seconds); later ones read the cache.
    Raises DataError when the layer is unknown or is no matrix product, when the model has no recipe, and as ``pull``.
    """
    info = tensor_info(model, tensor)
    row = capturable(model)
    if not info.is_product:
        raise DataError(
            f"model:{model}/{info.name}: only a layer with groups=1 has its input captured (got {info.groups} groups); "
            "choose another layer or a synthetic activation"
        )
    path = _capture_path(row)
    found = _read(path, info.name) if path.is_file() else None
    if found is None:
        _capture(row, path, offline=offline, progress=progress)
        found = _read(path, info.name)
    if found is None:
        raise DataError(f"{path}: must hold {info.name} as it was written (got other bytes); check the disk")
    return found


def captured_rows(model: str, *, offline: bool = False, progress: Progress | None = None) -> dict[str, int]:
    """How many rows a capture of the model holds, by layer. Captures first where the cache has none."""
    path = _capture_path(capturable(model))
    if not path.is_file():
        _capture(capturable(model), path, offline=offline, progress=progress)
    with open_safetensors(path) as file:
        return {name: int(file.get_slice(name).get_shape()[0]) for name in file.keys()}  # noqa: SIM118


def capturable(model: str) -> Model:
    """The row of a model whose activations can be captured. Raises DataError for another."""
    names = [name for name, row in MODELS.items() if row.recipe]
    if model not in names:
        raise DataError(
            f"model:{model}: must have a capture recipe for `activation: captured` (got none); models with one: "
            f"{', '.join(names)}; or capture a model of yours and name `file: path#layer`"
        )
    return MODELS[model]


def is_captured(model: str) -> bool:
    """Whether the model's activations are in the cache."""
    return _capture_path(capturable(model)).is_file()


def _capture_path(row: Model) -> Path:
    recipe = RECIPES[str(row.recipe)]
    asset = ASSETS[recipe.asset]
    parts = (row.package.sha256, row.file, asset.package.sha256, recipe.name, str(recipe.revision), str(CAPTURE_ROWS))
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=6).hexdigest()
    return cache_root() / "captures" / f"{row.name}-{digest}.safetensors"


def _capture(row: Model, path: Path, *, offline: bool, progress: Progress | None) -> None:
    recipe = RECIPES[str(row.recipe)]
    onnx_path = pull(row.name, offline=offline, progress=progress)
    folder = pull(recipe.asset, offline=offline, progress=progress)
    say = progress or (lambda _: None)
    say(f"{row.name}: capturing activations on {recipe.asset}")
    captured = capture(onnx_path, recipe.feeds(folder), max_rows=CAPTURE_ROWS)
    metadata = {name: _digest(rows) for name, rows in captured.items()}
    with scratch_folder(path.parent) as scratch:
        partial = scratch / path.name
        try:
            save_file(captured, partial, metadata)
            partial.chmod(0o644)  # safetensors makes files that other users of a shared cache cannot read
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            raise unwritable(path, error) from error
    size = path.stat().st_size / 1e6
    say(f"{row.name}: kept {size:.0f} MB of activations of {len(captured)} layers in {path}")


def _read(path: Path, layer: str) -> NDArray[np.float32] | None:
    """The layer's rows, or None when the file is damaged: a capture is made again, not repaired."""
    try:
        with open_safetensors(path) as file:
            rows = np.asarray(file.get_tensor(layer), np.float32)
            return rows if (file.metadata() or {}).get(layer) == _digest(rows) else None
    except DataError:
        return None


def _digest(rows: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest()

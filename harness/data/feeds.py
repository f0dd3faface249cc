"""Checks a feed against an ONNX model's inputs before the model runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from harness.errors import DataError, did_you_mean


def check_feed(path: Path, model: onnx.ModelProto, feed: Mapping[str, NDArray[np.generic]]) -> None:
    """Raises DataError for a missing or unknown input, another element type, rank or fixed extent."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value.type.tensor_type for value in model.graph.input if value.name not in weights}
    expected = ", ".join(f"{name} {_describe(kind)}" for name, kind in inputs.items())
    for name in inputs:
        if name not in feed:
            got = ", ".join(feed) or "nothing"
            raise DataError(f"{path}: the feed must have {name} (got {got}); inputs: {expected}")
    for name, array in feed.items():
        if name not in inputs:
            hint = did_you_mean(name, inputs)
            raise DataError(f"{path}: the model has no input {name!r}; {hint}; inputs: {expected}")
        if not _fits(np.asarray(array), inputs[name]):
            got = f"{array.dtype} {list(array.shape)}"
            raise DataError(f"{path}: {name} must be {_describe(inputs[name])} (got {got}); reshape or convert it")


def _fits(array: NDArray[np.generic], kind: onnx.TypeProto.Tensor) -> bool:
    if array.dtype != onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type):
        return False
    if not kind.HasField("shape"):
        return True
    dims = kind.shape.dim
    if len(dims) != array.ndim:
        return False
    return all(dim.dim_value in (0, -1, size) for dim, size in zip(dims, array.shape, strict=True))


def _describe(kind: onnx.TypeProto.Tensor) -> str:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if not kind.HasField("shape"):
        return f"{dtype} of any shape"
    dims = (str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?" for dim in kind.shape.dim)
    return f"{dtype} [{', '.join(dims)}]"

"""Reading floating-point tensors out of a safetensors file, bfloat16 included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  safetensors makes bfloat16 arrays only where this has registered the type
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from harness.data.hints import near_or_some
from harness.errors import DataError

SAFETENSORS_FLOATS = ("F16", "BF16", "F32", "F64")


def open_safetensors(path: Path) -> Any:
    """An open safetensors file (a context manager). Raises DataError when it is missing, empty, cut or no such."""
    try:
        return safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: must be an intact .safetensors file (got: {error}); write it anew") from error


def load_safetensors(path: Path, tensor: str) -> NDArray[Any]:
    """A floating-point tensor in its stored shape and type. Raises DataError for other types and unknown names."""
    with open_safetensors(path) as file:
        names = list(file.keys())
        if tensor not in names:
            raise DataError(f"{path.name}: has no tensor {tensor!r}; {near_or_some(tensor, names)}")
        dtype = file.get_slice(tensor).get_dtype()
        if dtype not in SAFETENSORS_FLOATS:
            kinds = ", ".join(SAFETENSORS_FLOATS)
            raise DataError(f"{path.name}: {tensor} must hold {kinds} (got {dtype}); convert it first")
        return np.asarray(file.get_tensor(tensor))

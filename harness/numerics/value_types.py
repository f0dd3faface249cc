"""Types that unquantized tensors are stored in. Arithmetic is in f32 throughout: a narrower type only says which values
there are, and how many bytes they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError, did_you_mean

Float32 = NDArray[np.float32]
finfo: Callable[[Any], Any] = ml_dtypes.finfo
"""As NumPy's, which does not know bfloat16."""


@dataclass(frozen=True)
class ValueType:
    """One type. ``numpy`` is the dtype that rounds to it, nearest with ties to even (IEEE 754; bfloat16: ml_dtypes)."""

    name: str
    bytes: int
    numpy: Callable[[], Any]
    doc: str

    @property
    def stored(self) -> type[np.float32] | type[np.uint16]:
        """The dtype of what ``store`` makes."""
        return np.float32 if self.bytes == 4 else np.uint16

    def store(self, values: Float32) -> NDArray[Any]:
        """``values`` as they lie in memory: f32, or bit patterns of 16 bits. Beyond the type's range: Inf."""
        if self.bytes == 4:
            return values
        with np.errstate(over="ignore", invalid="ignore"):  # beyond the type: Inf; a signalling NaN: a quiet one
            return values.astype(self.numpy()).view(np.uint16)

    def read(self, stored: NDArray[Any]) -> Float32:
        """What ``store`` made, as f32. Exact."""
        if self.bytes == 4:
            return stored
        values: Float32 = stored.view(self.numpy()).astype(np.float32)
        return values

    def round(self, values: Float32) -> Float32:
        """The nearest values of the type, as f32."""
        return self.read(self.store(values))


VALUE_TYPES: dict[str, ValueType] = {
    row.name: row
    for row in (
        ValueType("f32", 4, lambda: np.float32, "IEEE single"),
        ValueType("f16", 2, lambda: np.float16, "IEEE half"),
        ValueType("bf16", 2, lambda: ml_dtypes.bfloat16, "bfloat16"),
    )
}


def value_type(name: str) -> ValueType:
    """The row of that name; raises SchemeError with the nearest known name."""
    try:
        return VALUE_TYPES[name]
    except KeyError:
        raise SchemeError(
            f"dtype: must be a known value type (got {name!r}); {did_you_mean(name, VALUE_TYPES)}"
        ) from None

"""Whether two outputs of a kernel are the same, bit for bit: such outputs get the same verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.numerics.parallel import in_parts


def identical(one: Any, other: Any) -> bool:
    """Arrays by type, shape and bytes; dataclasses and mappings by their parts; all else by ``==`` (NaN equals NaN)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and _same_bytes(one, other)
    if dataclasses.is_dataclass(one):
        return all(identical(getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))


def _same_bytes(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    flat, flat_other = (np.ascontiguousarray(each).reshape(-1).view(np.uint8) for each in (one, other))
    return all(in_parts(lambda part: np.array_equal(flat[part], flat_other[part]), flat.size, 1 << 20))

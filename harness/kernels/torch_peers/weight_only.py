"""Quantized weights as other packages' products take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.numerics.quantize import Quantized


def unsigned(weight: Quantized) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Codes [n, k] and zero points [n, groups] (or [1, 1]), moved up so that none is below 0."""
    element, zero = weight.scheme.element, weight.params.zero_point
    up = 1 << (element.bits - 1) if element.signed else 0
    zeros = np.zeros((1, 1), np.int32) if zero is None else zero.astype(np.int32)
    return weight.codes.astype(np.int32) + up, zeros + up


def weight_as_taken(weight: Quantized, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weight [n, k] in f32 that its codes stand for with this scale in place of its own."""
    values, zero = weight.scheme.element.decode(weight.codes).astype(np.float32), weight.params.zero_point
    if zero is not None:
        values -= weight.tiling.expand(zero.astype(np.float32))
    values *= weight.tiling.expand(scale)
    return values


def rows_of_scales(weight: Quantized, scale: NDArray[Any]) -> NDArray[Any]:
    """[n, groups], one a row where there is one a tensor."""
    n = weight.codes.shape[0]
    return np.ascontiguousarray(np.broadcast_to(scale.reshape(scale.shape[0], -1), (n, weight.tiling.grid[1])))

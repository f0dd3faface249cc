"""Codes narrower than a byte, packed: two to a byte, low nibble first, over the flattened tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack_nibbles(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack 4-bit codes (integers -8 … 15, any shape) into ceil(n/2) bytes; an odd tail leaves the high nibble 0."""
    flat: NDArray[np.uint8] = (codes.ravel() & 0xF).astype(np.uint8)
    if flat.size % 2:
        flat = np.append(flat, np.uint8(0))
    packed: NDArray[np.uint8] = flat[0::2] | (flat[1::2] << np.uint8(4))
    return packed


def unpack_nibbles(packed: NDArray[np.uint8], count: int, *, signed: bool) -> NDArray[Any]:
    """The first ``count`` codes of packed bytes, int8 (sign-extended) or uint8, flat."""
    flat = np.empty(packed.size * 2, dtype=np.uint8)
    flat[0::2] = packed & 0xF
    flat[1::2] = packed >> 4
    flat = flat[:count]
    return ((flat ^ 8).astype(np.int8) - np.int8(8)) if signed else flat

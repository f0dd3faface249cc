"""Codes narrower than a byte, packed over the flattened tensor from the lowest bit of the first byte upwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack_bits(patterns: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Pack the low ``bits`` (1 … 8) of each element (integers, any shape) into ceil(n·bits/8) bytes; bits beyond the last
    code are 0."""
    flat = patterns.ravel().astype(np.uint8)
    if bits == 8:
        return flat
    if bits == 4:
        return _pack_nibbles(flat)
    single = np.unpackbits(flat[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(single.ravel(), bitorder="little")


def unpack_bits(packed: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """The first ``count`` codes of packed bytes, their high bits 0, flat."""
    if bits == 8:
        return packed[:count]
    if bits == 4:
        return _unpack_nibbles(packed)[:count]
    single = np.unpackbits(packed, count=count * bits, bitorder="little")
    return np.packbits(single.reshape(count, bits), axis=1, bitorder="little").ravel()


def pack_nibbles(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack 4-bit codes (integers -8 … 15, any shape) into ceil(n/2) bytes, low nibble first; an odd tail leaves the high
    nibble 0."""
    return pack_bits(codes, 4)


def unpack_nibbles(packed: NDArray[np.uint8], count: int, *, signed: bool) -> NDArray[Any]:
    """The first ``count`` codes of packed bytes, int8 (sign-extended) or uint8, flat."""
    flat = unpack_bits(packed, 4, count)
    return sign_extended(flat, 4) if signed else flat


def sign_extended(patterns: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """Two's complement of ``bits`` as int8; the bits above must be 0."""
    top = 1 << (bits - 1)
    return ((patterns ^ np.uint8(top)).astype(np.int16) - top).astype(np.int8)


def _pack_nibbles(flat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low = flat & np.uint8(0xF)
    if low.size % 2:
        low = np.append(low, np.uint8(0))
    packed: NDArray[np.uint8] = low[0::2] | (low[1::2] << np.uint8(4))
    return packed


def _unpack_nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flat = np.empty(packed.size * 2, dtype=np.uint8)
    flat[0::2] = packed & 0xF
    flat[1::2] = packed >> 4
    return flat

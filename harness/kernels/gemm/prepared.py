"""Operands as the tensor-core products take them: bytes in padded rows, and rows of the weight in the order of fragments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.numerics.quantize import Quantized

PITCH_STEP = 128
"""Bytes: rows of codes are filled with zeros up to a multiple of it, so that k has no tail: a stage is 64 or 128 of it."""
LINE = 128
"""k that shares a block scale."""
GROUP = 32
"""Columns of the output that a fragment's order is about (``common/product_tail.cuh``)."""


def padded(codes: NDArray[Any], rows: int) -> NDArray[np.uint8]:
    """Codes [n, k] of a byte each as bytes [rows, pitch], zeros beyond them."""
    n, k = codes.shape
    made = np.zeros((rows, whole(k, PITCH_STEP)), dtype=np.uint8)
    made[:n, :k] = codes.view(np.uint8)
    return made


def whole(count: int, step: int) -> int:
    """The multiple of ``step`` that ``count`` fills up to."""
    return -(-count // step) * step


def fragment_order(rows: int) -> NDArray[np.int64]:
    """Which row of the weight stands at each place, of ``rows`` (a multiple of GROUP).

    Place 8j + 2q + e of a group is what the fragments of lanes 4·i + q hold as elements e of their j-th eight columns: it
    takes row 8q + 2j + e, so that the eight values of a lane are neighbours in the output.
    """
    j, q, e = np.meshgrid(np.arange(4), np.arange(4), np.arange(2), indexing="ij")
    group = (8 * q + 2 * j + e).reshape(-1)
    return (np.arange(0, rows, GROUP)[:, None] + group).reshape(-1)


def turned_order(rows: int) -> NDArray[np.int64]:
    """Which row of the weight stands at each place, of ``rows`` (a multiple of 16), where its rows come first.

    A thread has four outputs of a token after two halves of eight rows are turned over (``common/transposed_tail.cuh``): place
    8h + 2q + e of sixteen takes row 4q + 2h + e, so that these are neighbours.
    """
    h, q, e = np.meshgrid(np.arange(2), np.arange(4), np.arange(2), indexing="ij")
    group = (4 * q + 2 * h + e).reshape(-1)
    return (np.arange(0, rows, len(group))[:, None] + group).reshape(-1)


def turned_weight(weight: Quantized, tile: int) -> NDArray[np.uint8]:
    """The weight's codes [n, k] as bytes, up to whole tiles of rows, in the order that ``turned_order`` says."""
    rows = whole(len(weight.codes), tile)
    return padded(weight.codes, rows)[turned_order(rows)]


def nibbles_in_fragments(weight: Quantized, tile: int) -> NDArray[np.uint8]:
    """int4 codes [n, k], two a byte, as threads unpack them (``common/transposed_product.cuh``), flat.

    Of a tile of 128 rows and a line of 128 of k each warpgroup's 64 rows lie together: two times sixteen bytes a thread,
    of which each word is a step of 32 of k of one of its two rows (PTX ISA, wgmma.mma_async, register fragments of A): the
    lower halves of its bytes are the four codes at 4 (lane % 4), the upper ones those sixteen on.
    """
    codes = turned_weight(weight, tile)
    tiles, lines = codes.shape[0] // tile, codes.shape[1] // LINE
    # tile, warpgroup, warp, half, row, line, two, step, sixteen, quad, byte
    parts = codes.reshape(tiles, 2, 4, 2, 8, lines, 2, 2, 2, 4, 4)
    low, high = parts[:, :, :, :, :, :, :, :, 0], parts[:, :, :, :, :, :, :, :, 1]
    bytes_ = (high & 0xF) << 4 | low & 0xF
    # tile, line, warpgroup, two, warp, row, quad, step, half, byte
    return np.ascontiguousarray(bytes_.transpose(0, 5, 1, 6, 2, 4, 8, 7, 3, 9)).reshape(-1)


def bits_of(operand: Quantized) -> NDArray[np.uint8]:
    """Codes ±1 [n, k], eight a byte [n, ceil(k / 8)], the earliest lowest: 1 for +1."""
    return np.packbits(operand.codes > 0, axis=1, bitorder="little")


def ordered_weight(weight: Quantized, tile: int) -> NDArray[np.uint8]:
    """The weight's codes [n, k] as bytes, up to whole tiles of rows, in the order of fragments."""
    rows = whole(len(weight.codes), tile)
    return padded(weight.codes, rows)[fragment_order(rows)]


def for_columns(values: NDArray[Any], n: int, tile: int) -> NDArray[Any]:
    """One value a column of the output or a single one, as one a column up to whole tiles (zeros beyond n)."""
    made = np.zeros(whole(n, tile), dtype=values.dtype)
    made[:n] = values.reshape(-1)
    return made


def column_sums(weight: Quantized, tile: int) -> NDArray[np.int32]:
    """Sums of the weight's codes along k, one a column of the output up to whole tiles."""
    sums = weight.codes.sum(axis=1, dtype=np.int64).astype(np.int32)
    return for_columns(sums, len(sums), tile)


def scales_of_lines(activation: Quantized) -> NDArray[np.float32]:
    """Scales of 1 x LINE of the activation, [lines, m]: the rows that a warp asks for are neighbours."""
    return np.ascontiguousarray(activation.params.scale.T)

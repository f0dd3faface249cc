"""Operands as the tensor-core products take them: bytes in padded rows, and rows of the weight in the order of fragments."""

from __future__ import annotations

from collections.abc import Callable
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


def nibbles_in_fragments(weight: Quantized, tile: int) -> NDArray[np.uint8]:
    """int4 codes [n, k], two a byte, as threads unpack them (``common/transposed_product.cuh``), flat.

    Of a tile of 128 rows and a line of 128 of k each warpgroup's 64 rows lie together: two times sixteen bytes a thread,
    of which each word is a step of 32 of k of one of its two rows (PTX ISA, wgmma.mma_async, register fragments of A): the
    lower halves of its bytes are the four codes at 4 (lane % 4), the upper ones those sixteen on.
    """
    codes = padded(weight.codes, whole(len(weight.codes), tile))
    tiles, lines = codes.shape[0] // tile, codes.shape[1] // LINE
    # tile, block of 64 rows, warp, half, row, line, two, step, sixteen, quad, byte
    parts = codes.reshape(tiles, tile // 64, 4, 2, 8, lines, 2, 2, 2, 4, 4)
    low, high = parts[:, :, :, :, :, :, :, :, 0], parts[:, :, :, :, :, :, :, :, 1]
    bytes_ = (high & 0xF) << 4 | low & 0xF
    # tile, line, warpgroup, two, warp, row, quad, step, half, byte
    return np.ascontiguousarray(bytes_.transpose(0, 5, 1, 6, 2, 4, 8, 7, 3, 9)).reshape(-1)


def swizzled_lines(codes: NDArray[np.uint8], tile: int) -> NDArray[np.uint8]:
    """Bytes [rows, pitch], up to whole tiles of rows, as tiles of ``tile`` rows by lines of 128 bytes, each in the 128-byte swizzle
    (PTX ISA, swizzling modes: in every eight rows, chunk c of sixteen bytes of row r stands at c XOR r), flat."""
    rows, pitch = codes.shape
    chunks = codes.reshape(rows // tile, tile // 8, 8, pitch // LINE, 8, 16)
    r, c = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    # an exclusive or is its own inverse: what stands at c is chunk c XOR r
    swizzled = np.moveaxis(chunks, 3, 1)[:, :, :, r, c ^ r]
    return np.ascontiguousarray(swizzled).reshape(-1)


def nibbles_with_scales(weight: Quantized, tile: int, scales: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The same, and behind the codes of each tile's line a scale of each row: ``scales`` [n, lines]."""
    rows = whole(len(scales), tile)
    lines = scales.shape[1]
    made = np.zeros((rows, lines), np.float32)
    made[: len(scales)] = scales
    of_lines = made.reshape(-1, tile, lines).transpose(0, 2, 1)
    codes = nibbles_in_fragments(weight, tile).reshape(*of_lines.shape[:2], -1)
    return np.concatenate([codes, np.ascontiguousarray(of_lines).view(np.uint8)], axis=2).reshape(-1)


def bits_of(operand: Quantized) -> NDArray[np.uint8]:
    """Codes ±1 [n, k], eight a byte [n, ceil(k / 8)], the earliest lowest: 1 for +1."""
    return np.packbits(operand.codes > 0, axis=1, bitorder="little")


def bit_operands(
    activation: Quantized, weight: Quantized, tile: int, order: Callable[[int], NDArray[np.int64]]
) -> dict[str, NDArray[Any]]:
    """±1 of both operands as bits, rows of the weight in ``order`` up to whole tiles; scales a row and a column; and, as zero points
    and columns' sums, what is taken from four times the places where both have a 1 (``common/product_tail.cuh``)."""
    (m, k), n = activation.codes.shape, len(weight.codes)
    ones_of_rows, ones_of_columns = (np.count_nonzero(each.codes > 0, axis=1) for each in (activation, weight))
    rows = whole(n, tile)
    return {
        "activation": padded(bits_of(activation), m),
        "weight": padded(bits_of(weight), rows)[order(rows)],
        "row_scales": for_columns(np.broadcast_to(activation.params.scale.ravel(), m), m, 1),
        "column_scales": for_columns(weight.params.scale, n, tile),
        "zero_points": (2 * ones_of_rows - k).astype(np.int32),
        "column_sums": for_columns((2 * ones_of_columns).astype(np.int32), n, tile),
    }


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

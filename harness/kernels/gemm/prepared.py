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

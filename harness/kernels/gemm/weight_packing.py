"""Packs quantized weights in the order that ``weight_layout`` describes, once, before anything is timed."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from harness.kernels.gemm.prepared import whole
from harness.kernels.gemm.weight_layout import WeightLayout
from harness.numerics.formats import FORMATS
from harness.numerics.parallel import map_threads
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type

_STEP = 32
"""k of two products."""
_TURN = 7
"""Bits that words of looked-up codes are turned left by (common/weight_codes.cuh)."""


def packed_weight(weight: Quantized, layout: WeightLayout) -> NDArray[np.uint8]:
    """Bytes [tiles, spans, tile_bytes]: codes, then what they are read with."""
    codes = packed_codes(weight, layout)
    if not layout.record_bytes:
        return codes
    return np.concatenate([codes, packed_records(weight, layout)], axis=-1)


def packed_codes(weight: Quantized, layout: WeightLayout) -> NDArray[np.uint8]:
    """Codes [n, k] as bytes [tiles, spans, codes_bytes], zeros beyond n and k."""
    n, k = weight.codes.shape
    tiles, spans = -(-n // layout.rows), -(-k // layout.span)
    made = np.empty((tiles, spans, layout.codes_bytes), dtype=np.uint8)

    def pack(tile: int) -> None:
        rows = weight.codes[tile * layout.rows : (tile + 1) * layout.rows]
        padded = np.zeros((layout.rows, spans * layout.span), dtype=np.uint8)
        padded[: len(rows), :k] = _unsigned(rows, layout)
        made[tile] = _words(_registers(padded, layout), layout)

    map_threads(pack, range(tiles))
    return made


def _unsigned(codes: NDArray[Any], layout: WeightLayout) -> NDArray[np.uint8]:
    if layout.scheme.format == "binary":
        return (codes > 0).astype(np.uint8)
    if layout.lowest:
        return (codes.astype(np.int16) - layout.lowest).astype(np.uint8)
    return codes.view(np.uint8)


def _registers(codes: NDArray[np.uint8], layout: WeightLayout) -> NDArray[np.uint8]:
    """Codes of a tile [rows, k] as [spans, row tiles, lanes, registers, 2].

    Register 4 p + 2 a + h of lane 4 g + q is, of product p, row g + 8 h, k 2 q + 8 a + e (e = 0, 1); with ``natural`` off the
    k that stand there are 8 q + 4 p + 2 a + e of the two products' thirty-two, or 16 p + 4 q + 2 a + e in groups of sixteen.
    """
    row_tiles, spans, steps = layout.rows // 16, codes.shape[1] // layout.span, layout.span // _STEP
    if layout.natural:  # tile h g | span step p a q e
        parts = codes.reshape(row_tiles, 2, 8, spans, steps, 2, 2, 4, 2)
        ordered = parts.transpose(3, 0, 2, 7, 4, 5, 6, 1, 8)
    elif layout.group == 16:  # tile h g | span step p q a e
        parts = codes.reshape(row_tiles, 2, 8, spans, steps, 2, 4, 2, 2)
        ordered = parts.transpose(3, 0, 2, 6, 4, 5, 7, 1, 8)
    else:  # tile h g | span step q p a e
        parts = codes.reshape(row_tiles, 2, 8, spans, steps, 4, 2, 2, 2)
        ordered = parts.transpose(3, 0, 2, 5, 4, 6, 7, 1, 8)
    return ordered.reshape(spans, row_tiles, 32, layout.span // 4, 2)


def _words(registers: NDArray[np.uint8], layout: WeightLayout) -> NDArray[np.uint8]:
    """Bytes [spans, codes_bytes]: of every 16 rows 16 bytes a lane, then the next 16."""
    spans, row_tiles = registers.shape[:2]
    if layout.table:  # a byte a register
        pairs = np.ascontiguousarray(registers[..., 0] | registers[..., 1] << 4)
        plain = pairs.view(np.uint32)
        words = plain << np.uint32(_TURN) | plain >> np.uint32(32 - _TURN)
    else:  # codes of a register in either half of a word
        per = 16 // layout.bits
        split = registers.reshape(spans, row_tiles, 32, -1, per, 2)
        halves = np.zeros((*split.shape[:4], 2), dtype=np.uint16)
        for i in range(per):
            codes = split[..., i, :].astype(np.uint16)
            if layout.kind == 3:
                magnitude, sign = e2m1_places(layout.operands)[i]
                halves |= (codes & 7) << magnitude | codes >> 3 << sign
            else:
                halves |= codes << (layout.bits * i)
        words = halves.view(np.uint32)[..., 0]
    vectors = words.reshape(spans, row_tiles, 32, -1, 4).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(vectors).reshape(spans, -1).view(np.uint8)


def e2m1_places(operands: str) -> tuple[tuple[int, int], ...]:
    """(lowest bit of exponent and mantissa, bit of the sign) of the four e2m1 codes of half a word."""
    return ((6, 15), (3, 12), (0, 13), (9, 14)) if operands == "bf16" else ((9, 15), (6, 12), (0, 13), (3, 14))


def packed_records(weight: Quantized, layout: WeightLayout) -> NDArray[np.uint8]:
    """Scales, then zero points, of each tile's span as bytes [tiles, spans, record_bytes]: [groups, rows] each."""
    n, k = weight.codes.shape
    tiles, spans = -(-n // layout.rows), -(-k // layout.span)
    parts: list[NDArray[np.uint8]] = []
    if layout.group:
        parts.append(_of_spans(_stored_scales(weight, layout), n, k, layout))
    if weight.params.zero_point is not None:
        zero = (weight.params.zero_point.astype(np.int32) - layout.lowest).astype(np.uint8)
        parts.append(_of_spans(zero, n, k, layout))
    made = np.concatenate([part.view(np.uint8).reshape(tiles, spans, -1) for part in parts], axis=-1)
    return np.ascontiguousarray(made)


def _stored_scales(weight: Quantized, layout: WeightLayout) -> NDArray[Any]:
    scales = weight.params.scales
    match layout.scale_format:
        case "e8m0":
            return (scales.scale.view(np.uint32) >> 23).astype(np.uint8)
        case "e4m3":
            assert scales.block_scale is not None, "scales of two levels"
            return FORMATS["fp8_e4m3"].encode(scales.block_scale).view(np.uint8)
        case "f16":
            return scales.scale.astype(np.float16)
        case "bf16":
            return scales.scale.astype(ml_dtypes.bfloat16).view(np.uint16)
    return scales.scale


def _of_spans(grid: NDArray[Any], n: int, k: int, layout: WeightLayout) -> NDArray[Any]:
    """One value a row and group (or one in all) as [tiles, spans, groups, rows]."""
    rows, spans = whole(n, layout.rows), -(-k // layout.span)
    made = np.zeros((rows, spans * layout.groups), dtype=grid.dtype)
    if layout.group:
        grid = np.repeat(grid, max(1, layout.group // layout.span), axis=1)[:, : made.shape[1]]
        made[:n, : grid.shape[1]] = grid
    else:
        made[:n] = grid.reshape(grid.shape[0], -1)
    split = made.reshape(rows // layout.rows, layout.rows, spans, layout.groups)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 1))


def column_scales(weight: Quantized) -> NDArray[np.float32]:
    """[n], where scales are not those of groups."""
    n = weight.codes.shape[0]
    scale = weight.params.scale
    return (
        np.ascontiguousarray(np.broadcast_to(scale.reshape(-1), (n,)))
        if scale.shape[-1] == 1
        else np.ones(1, np.float32)
    )


def table_values(layout: WeightLayout) -> NDArray[np.uint16]:
    """The sixteen values of looked-up codes, in the type they are multiplied in."""
    if not layout.table:
        return np.zeros(16, dtype=np.uint16)
    values = layout.scheme.element.decode(np.arange(16, dtype=np.uint8))
    return value_type(layout.operands).store(values)

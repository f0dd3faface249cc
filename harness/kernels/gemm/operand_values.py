"""Operands of a product as the judge takes them: what codes stand for, some rows of it, and the product of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kernels.tensors import MatrixProduct, Prepared, host_product
from harness.numerics.metrics import Comparison, decibel
from harness.numerics.parallel import PART_ELEMENTS, in_parts
from harness.numerics.quantize import Quantized, dequantize

Float64 = NDArray[np.float64]


def sampled_rows(m: int, limit: int, seed: int) -> NDArray[np.int64]:
    """All rows, or ``limit`` of them chosen by the seed, in order."""
    if m <= limit:
        return np.arange(m)
    return np.sort(np.random.default_rng([seed, m]).choice(m, limit, replace=False))


def rows_of(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """``array[rows]``; where those are all of them, the array itself."""
    return array if len(rows) == len(array) else array[rows]


def real_values(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> Float64:
    """What the operand's codes stand for, in float64 without intermediate rounding (the values where unquantized)."""
    return _real_values(prepared, rows).astype(np.float64, copy=False)


def _real_values(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
    """``real_values``, in float32 where that holds them (and float64 would be moved about for nothing)."""
    q = prepared.quantized
    if q is None:
        return _unscaled(prepared, rows)

    def made(some: NDArray[np.int64]) -> NDArray[Any]:
        return _unscaled_rows(q, some) * _of_rows(q.params.scale, q, some).astype(np.float64)

    return _by_rows(made, q, rows, np.float64)


def _unscaled(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """The values of the operand's codes less their zero points, which f32 holds; the values where unquantized."""
    q = prepared.quantized
    if q is None:
        return prepared.values if rows is None else rows_of(prepared.values, rows)
    return _by_rows(lambda some: _unscaled_rows(q, some), q, rows, np.float32)


def _unscaled_rows(q: Quantized, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    values = q.scheme.element.decode(q.codes[rows])
    if q.params.zero_point is not None:
        values -= _of_rows(q.params.zero_point, q, rows)
    if q.invalid is not None:
        values[q.invalid[rows]] = np.nan
    return values


def _of_rows(grid: NDArray[Any], q: Quantized, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Entries of the blocks of some rows, so that they broadcast against these."""
    of_rows = grid if len(grid) == 1 else grid[rows // q.tiling.block[0]]
    if of_rows.shape[1] == 1:
        return of_rows
    return np.repeat(of_rows, q.tiling.block[1], axis=1)[:, : q.tiling.shape[1]]


def _by_rows(
    function: Callable[[NDArray[np.int64]], NDArray[Any]], q: Quantized, rows: NDArray[np.int64] | None, dtype: Any
) -> NDArray[Any]:
    """What ``function`` gives for sets of ``rows`` (None: all) of an operand, on all cores."""
    chosen = np.arange(len(q.codes)) if rows is None else rows
    made = np.empty((len(chosen), q.codes.shape[1]), dtype)

    def fill(part: slice) -> None:
        made[part] = function(chosen[part])

    in_parts(fill, len(chosen), max(1, PART_ELEMENTS // max(1, q.codes.shape[1])))
    return made


def quantized_product(
    activation: Prepared,
    weight: Prepared,
    rows: NDArray[np.int64] | None = None,
    product: MatrixProduct = host_product,
) -> Float64:
    """x̂ · ŵᵀ. Scales that are the same all along k are applied after the sums, so that whole numbers add up exactly."""
    x, x_scale = split_scale(activation, rows)
    w, w_scale = split_scale(weight)
    made = product(x, w)

    def apply(part: slice) -> None:
        if x_scale is not None:
            made[part] *= x_scale[part]
        if w_scale is not None:
            made[part] *= w_scale.T

    if x_scale is not None or w_scale is not None:
        in_parts(apply, len(made), PART_ELEMENTS // made.shape[1])
    return made


def split_scale(prepared: Prepared, rows: NDArray[np.int64] | None = None) -> tuple[NDArray[Any], Float64 | None]:
    """(values, scale [rows, 1]) whose product is ``real_values``; None (of 1) where the scale varies along k."""
    q = prepared.quantized
    if q is None or q.tiling.grid[1] > 1:
        return _real_values(prepared, rows), None
    scale = np.broadcast_to(q.tiling.expand(q.params.scale), (q.tiling.shape[0], 1)).astype(np.float64)
    return _unscaled(prepared, rows), scale if rows is None else rows_of(scale, rows)


def operand_sqnr(prepared: Prepared) -> float | None:
    """SQNR of the operand itself; None where it is not quantized."""
    if prepared.quantized is None:
        return None
    comparison = Comparison(prepared.values, dequantize(prepared.quantized))
    return decibel(comparison.signal_power, comparison.noise_power)

"""Scales, and zero points, of least squared error: the ``mse`` calibration of one set of scale blocks.

Blocks whose codes change at few scales are swept exactly (``mse_sweep``, ``mse_affine``); in others, large ones of many levels, the
error is smooth and a narrowing grid of scales finds the same minimum to well within 0.005 dB (``mse_grid``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import SchemeError
from harness.numerics.mse_affine import Affine, sweep_affine
from harness.numerics.mse_grid import search, search_affine
from harness.numerics.mse_levels import Codebook, CodeRange, Floats, Grid, Nearest
from harness.numerics.mse_sweep import sweep
from harness.numerics.parallel import map_threads

__all__ = ["AffineFit", "Nearest", "minimise_mse", "minimise_mse_affine"]

# The largest blocks that are swept, in elements times steps from one level to the next. CPU seconds on 16.7M normal values at
# int8, sweep against grid, on a busy machine: blocks of 4096 12 to 11, of 8192 16 to 8, of 16384 22 to 14; affine 1024 29 to 55,
# 2048 41 to 34, 4096 71 to 20. Of few levels, on 2.1M normal values with outliers: ternary blocks of 28672 0.2 to 0.8, of 131072
# 0.25 to 0.29; int4 0.3 to 0.8 and 0.35 to 0.34. On many cores the grid's many short calls wait for each other besides.
SWEPT_STEPS = 4096 * 256
MOST_SWEPT_ELEMENTS = 32768
SWEPT_ELEMENTS_AFFINE = 2048
# Elements that one thread works on at a time: 1 MiB an array of f64.
CHUNK_ELEMENTS = 1 << 17

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class AffineFit:
    """Scale (f64) and zero point (i32) of each block, [B] each."""

    scale: NDArray[np.float64]
    zero_point: NDArray[np.int32]


def minimise_mse(
    blocks: NDArray[np.float32],
    positive: NDArray[np.float64],
    negative: NDArray[np.float64],
    scale_max: NDArray[np.float64],
    nearest: Nearest,
) -> NDArray[np.float64]:
    """The scale [B], at most ``scale_max``, of least squared error of each row of ``blocks`` [B, E] (finite).

    ``positive`` and ``negative`` are the ascending magnitudes, in units of the scale, that x >= 0 and x < 0 may take;
    ``scale_max`` [B] > 0 is the largest scale allowed, a value of the scale format; ``nearest`` rounds f64 scales of
    any shape to the nearest value of that format. A block of zeros, or of values that can only be coded 0, keeps
    ``scale_max``. The result is a global minimum to within 0.005 dB. Raises SchemeError if ``scale_max`` does not fit.
    """
    _check(blocks, scale_max)
    book = Codebook.of_sides(positive, negative)
    swept = min(MOST_SWEPT_ELEMENTS, SWEPT_STEPS // len(book.levels))

    def fit(u: Floats, unit: Floats) -> Floats:
        grid = Grid(nearest, unit, np.ones(len(unit)))
        t = sweep(u, book, grid) if u.shape[1] <= swept else search(u[0], book, grid).t
        better = book.squared_error(u, t) < book.squared_error(u, grid.limit)
        return np.where(better, grid.scale(t), unit)

    chunks = _map_chunks(blocks, scale_max, fit, swept)
    return np.concatenate([np.empty(0), *chunks])


def minimise_mse_affine(
    blocks: NDArray[np.float32], qmin: int, qmax: int, scale_max: NDArray[np.float64], nearest: Nearest
) -> AffineFit:
    """Scale and zero point of least squared error of each row of ``blocks`` [B, E] (finite), x = (q - zero_point) scale.

    ``scale_max`` [B] > 0 is the minmax scale, a value of the scale format that ``nearest`` rounds to. Codes and zero
    points are the integers qmin … qmax. A zero point is rounded, so scales may exceed ``scale_max`` by one part in
    qmax - qmin. The result is a global minimum over both to within 0.005 dB. Raises SchemeError if ``scale_max`` does
    not fit.
    """
    _check(blocks, scale_max)
    codes = CodeRange(qmin, qmax)

    def fit(u: Floats, unit: Floats) -> AffineFit:
        ones = np.ones(len(unit))
        grid = Grid(nearest, unit, np.maximum(nearest(unit * (1 + 1 / codes.steps)) / unit, 1.0))
        best = sweep_affine(u, codes, grid) if u.shape[1] <= SWEPT_ELEMENTS_AFFINE else _large_affine(u, codes, grid)
        covering = codes.covering(u[:, 0])
        better = codes.squared_error(u, best.t, best.zero_point) < codes.squared_error(u, ones, covering)
        scale = np.where(better, grid.scale(best.t), unit)
        return AffineFit(scale, np.where(better, best.zero_point, covering).astype(np.int32))

    fits = _map_chunks(blocks, scale_max, fit, SWEPT_ELEMENTS_AFFINE)
    return AffineFit(
        np.concatenate([np.empty(0), *(part.scale for part in fits)]),
        np.concatenate([np.empty(0, dtype=np.int32), *(part.zero_point for part in fits)]),
    )


def _large_affine(u: Floats, codes: CodeRange, grid: Grid) -> Affine:
    found = search_affine(u[0], codes, grid)
    return Affine(found.t, found.zero_point)


def _check(blocks: NDArray[np.float32], scale_max: NDArray[np.float64]) -> None:
    if scale_max.shape != blocks.shape[:1] or not (np.isfinite(scale_max) & (scale_max > 0)).all():
        raise SchemeError(
            f"mse search: scale_max must be one positive finite scale a block of {blocks.shape} "
            f"(got shape {scale_max.shape}); give blocks of zeros a scale of 1"
        )


def _map_chunks(
    blocks: NDArray[np.float32], scale_max: Floats, fit: Callable[[Floats, Floats], Part], together: int
) -> list[Part]:
    """``fit(u, scale_max)`` of successive rows, u [b, E] ascending in units of scale_max; b = 1 beyond ``together``."""
    elements = blocks.shape[1]
    rows = max(1, CHUNK_ELEMENTS // elements) if elements <= together else 1

    def run(start: int) -> Part:
        unit = scale_max[start : start + rows]
        return fit(np.sort(blocks[start : start + rows], axis=1) / unit[:, None], unit)

    # NumPy releases the interpreter lock in the sorts, searches and sums that take the time.
    return map_threads(run, range(0, len(blocks), rows))

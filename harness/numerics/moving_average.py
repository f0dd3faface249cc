"""Moving averages of the ranges of a block's batches: the calibration ``ema_minmax:C,BATCHES``.

PyTorch's MovingAverageMinMaxObserver and MovingAveragePerChannelMinMaxObserver (torch/ao/quantization/observer.py): the
first batch's minimum and maximum are taken as they are, every further one moves them by C of what is between,

    low <- low + C (batch's minimum - low),    high <- high + C (batch's maximum - high),

in f32, each of the three operations rounded on its own (the difference, its product with C, the sum), batches in their
order. Averages are of the ranges as they are; that they include 0 is asked of the result alone.

A tensor stands for a calibration set of which the batches lie one after another within each scale block: its elements, in
row-major order, are cut into runs of ceil(E / BATCHES), E the elements of a whole block. The last run may be shorter, and
there may be fewer runs. Images [n, c, h, w] in blocks of a tensor or of channels of axis 1, with BATCHES = n, have an image
each; channels that are rows have their batches side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from harness.numerics.granularity import Tiling

Float32 = NDArray[np.float32]


def batch_elements(tiling: Tiling, batches: int) -> int:
    """Elements of a batch of each block, at least 1."""
    whole = 1
    for size, extent in zip(tiling.shape, tiling.block, strict=True):
        whole *= min(size, extent)
    return max(1, -(-whole // batches))


def weight_of(argument: Fraction) -> np.float32:
    """C as it multiplies: by way of f64, as a Python number meets a tensor of f32."""
    return np.float32(float(argument))


@dataclass(frozen=True)
class MovingAverage:
    """``weight`` (C) of the next batch, ``batch`` elements of each."""

    weight: np.float32
    batch: int

    def ranges(self, rows: Float32) -> tuple[Float32, Float32]:
        """(low, high) of each row of ``rows`` [N, E], E at least 1."""
        low, high = rows[:, : self.batch].min(axis=1), rows[:, : self.batch].max(axis=1)
        for part in self._further(rows):
            low, high = self._moved(low, part.min(axis=1)), self._moved(high, part.max(axis=1))
        return low, high

    def _further(self, rows: Float32) -> Iterator[Float32]:
        for start in range(self.batch, rows.shape[1], self.batch):
            yield rows[:, start : start + self.batch]

    def _moved(self, average: Float32, batch: Float32) -> Float32:
        with np.errstate(over="ignore", invalid="ignore"):
            moved: Float32 = average + self.weight * (batch - average)
            apart = np.isinf(batch - average)
        if not apart.any():
            return moved
        # The difference of two large f32 may not fit one, the average does.
        wide = average.astype(np.float64)
        exact = wide + np.float64(self.weight) * (batch.astype(np.float64) - wide)
        return np.where(apart, exact.astype(np.float32), moved)

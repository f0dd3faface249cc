"""A convolution's input as the rows of a matrix product (im2col), some rows at a time.

Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document Processing" (2006), and ONNX's
definition of Conv for strides, pads, dilations and auto_pad. Any number of spatial dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


@dataclass(frozen=True)
class ConvGeometry:
    """Conv's attributes: per spatial dimension, ``pads`` as ONNX has them (all begins, then all ends)."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    auto_pad: str = "NOTSET"

    @property
    def extents(self) -> tuple[int, ...]:
        """The dilated kernel's size in input elements."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def padding(self, spatial: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Zeros (before, after) each spatial dimension of an input of that size."""
        rank = len(self.kernel)
        if self.auto_pad == "VALID":
            return ((0, 0),) * rank
        if self.auto_pad == "NOTSET":
            return tuple((self.pads[axis], self.pads[axis + rank]) for axis in range(rank))
        pairs = []
        for size, extent, stride in zip(spatial, self.extents, self.strides, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + extent - size)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if self.auto_pad == "SAME_UPPER" else (large, small))
        return tuple(pairs)

    def output_size(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """The output's spatial size for an input of that size."""
        sizes = zip(spatial, self.padding(spatial), self.extents, self.strides, strict=True)
        return tuple((size + before + after - extent) // stride + 1 for size, (before, after), extent, stride in sizes)


def row_count(shape: tuple[int, ...], geometry: ConvGeometry) -> int:
    """Rows of the im2col matrix of an input [N, C, *spatial]: N times the output's positions."""
    return shape[0] * math.prod(geometry.output_size(shape[2:]))


def conv_rows(array: NDArray[Any], geometry: ConvGeometry, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of the im2col matrix, float32 [len(rows), C * prod(kernel)].

    ``array`` is [N, C, *spatial]; row numbers count output positions in C order of [N, *output]; columns are ordered as
    ``weight.reshape(O, -1)`` of an OIHW weight. Only the chosen patches are materialised.
    """
    spatial = array.shape[2:]
    rank = len(spatial)
    padded = np.pad(array, ((0, 0), (0, 0), *geometry.padding(spatial)))
    windows = sliding_window_view(padded, geometry.extents, axis=tuple(range(2, 2 + rank)))
    steps = [slice(None, None, step) for step in (1, 1, *geometry.strides, *geometry.dilations)]
    patches = windows[tuple(steps)]
    image, *position = np.unravel_index(rows, (array.shape[0], *geometry.output_size(spatial)))
    index: list[Any] = [image, slice(None), *position]
    chosen = patches[tuple(index)]
    return np.ascontiguousarray(chosen.reshape(len(rows), -1), dtype=np.float32)

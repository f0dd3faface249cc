"""The products of this repository on the device: dp4a.cu, popc_b1.cu, wmma_s8.cu, int4_packed.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.gemm.prepared import bits_of
from harness.kernels.gemm.spec import DP4A, INT4_PACKED, POPC_B1, WMMA_S8
from harness.kernels.specialisation import Specialisation
from harness.numerics.packing import pack_nibbles
from harness.numerics.quantize import Quantized

_TILE = 128
_THREADS = 256
_PITCH_STEP = 64
"""Bytes: rows of codes are filled with zeros up to a multiple of it, so that k has no tail (``common/tile.cuh``)."""


class _TiledProduct(CudaKernel):
    """Codes in rows of a common pitch, one scale or one a row for each operand; exact sums, f32 out."""

    source: ClassVar[str]
    bits: ClassVar[int] = 8

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        activation, weight = problem.activation.quantized, problem.weight.quantized
        assert activation is not None, "planned for a quantized activation"
        assert weight is not None, "planned for a quantized weight"
        inputs: dict[str, NDArray[Any]] = {
            "activation": _padded_rows(activation, self.bits),
            "weight": _padded_rows(weight, self.bits),
            "row_scales": activation.params.scale.ravel(),
            "column_scales": weight.params.scale.ravel(),
        }
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), np.float32)})
        self._kernel = self.session.kernel(Specialisation.of(self.source, **(macros or {})), "gemm")
        self._grid = (-(-problem.n // _TILE), -(-problem.m // _TILE))
        strides = (int(inputs[name].size > 1) for name in ("row_scales", "column_scales"))
        extents = (problem.m, problem.n, inputs["activation"].shape[1], *strides)
        self._extents = tuple(np.uint32(extent) for extent in (*extents, *self._more_extents(problem)))

    def _more_extents(self, problem: GemmProblem) -> tuple[int, ...]:
        return ()

    def launch_on(self, arrays: Arrays) -> None:
        names = ("activation", "weight", "row_scales", "column_scales", "y")
        self.session.launch(self._kernel, self._grid, _THREADS, *(arrays[name] for name in names), *self._extents)

    def output(self) -> Product:
        return Product(self.array("y"), "exact")


def _padded_rows(quantized: Quantized, bits: int) -> NDArray[np.uint8]:
    """Codes [rows, k] as bytes [rows, pitch]."""
    codes: NDArray[Any] = quantized.codes
    if bits == 1:
        codes = bits_of(quantized)
    if bits == 4:
        if codes.shape[1] % 2:
            codes = np.pad(codes, ((0, 0), (0, 1)))
        codes = pack_nibbles(codes).reshape(codes.shape[0], -1)
    rows, width = codes.shape
    padded = np.zeros((rows, -(-width // _PITCH_STEP) * _PITCH_STEP), dtype=np.uint8)
    padded[:, :width] = codes.view(np.uint8)
    return padded


class Dp4a(_TiledProduct):
    """int8 × int8 by DP4A."""

    source = DP4A


class WmmaS8(_TiledProduct):
    """int8 × int8 by WMMA."""

    source = WMMA_S8


class Int4Packed(_TiledProduct):
    """int4 × int4, two codes a byte, by WMMA on int8."""

    source = INT4_PACKED
    bits = 4


class PopcB1(_TiledProduct):
    """±1 × ±1, a bit each, by population counts."""

    source = POPC_B1
    bits = 1

    def _more_extents(self, problem: GemmProblem) -> tuple[int, ...]:
        return (problem.k,)

"""The products whose first operand is the weight on the device: wgmma_transposed.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel
from harness.backends.cuda.tensor_map import rows_of_bytes
from harness.device import Device
from harness.kernels.gemm.ladder import ALIGNMENT_BYTES, BARRIER_BYTES
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.gemm.prepared import (
    PITCH_STEP,
    bits_of,
    column_sums,
    for_columns,
    nibbles_in_fragments,
    padded,
    turned_order,
    turned_weight,
    whole,
)
from harness.kernels.gemm.tensor_core import output_scale_of, product_of, stored_output
from harness.kernels.gemm.transposed_spec import (
    TILE_ROWS,
    constants,
    ring,
    specialise,
    stage_bytes,
)
from harness.numerics.packing import pack_nibbles
from harness.numerics.quantize import Quantized

_THREADS = 384
_WARPGROUPS = 2
_UNPACKED_CODES = 32
"""A thread of common/unpack_nibbles.cuh."""
_NIBBLE_SCALE = 16
"""Times its code: what a nibble in the upper half of a byte is."""


class _Transposed(CudaKernel):
    """Integer codes; scales one or one a row of each operand. ``macros`` replace those chosen by the extents."""

    packed: ClassVar[bool] = False
    codes_a_byte: ClassVar[int] = 1
    """Of the tokens, when they are multiplied."""

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        activation, weight = problem.activation.quantized, problem.weight.quantized
        assert activation is not None, "planned for a quantized activation"
        assert weight is not None, "planned for a quantized weight"
        self._of = problem
        self._macros = {**constants(problem.m, problem.n, packed=self.packed), **(macros or {})}
        n = problem.n
        inputs = self._operands(activation, weight)
        if problem.bias is not None:
            inputs["bias"] = for_columns(problem.bias, n, TILE_ROWS)
        super().__init__(device, inputs, {"y": stored_output(problem)})
        self._chosen = specialise(activation.scheme, problem.dtype, problem.epilogue, self._macros)
        self._pitch = whole(-(-problem.k // self.codes_a_byte), PITCH_STEP)
        self._kernel = self.session.kernel(self._chosen, "gemm", self._shared_bytes)
        self._scalars = (
            *(np.uint32(each) for each in (problem.m, n, self._pitch, inputs["row_scales"].size > 1)),
            output_scale_of(problem),
        )
        self._grid = min(self._tiles * (self._pitch // PITCH_STEP), self.session.multiprocessors)
        if not self._macros["SPLIT"]:
            self._grid = min(self._tiles, self._grid)
        self._parts, self._done = self._room()
        self._known_maps: dict[tuple[int, int], tuple[Any, Any]] = {}

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        n, factor = self._of.n, _NIBBLE_SCALE if self.packed else 1
        made: dict[str, NDArray[Any]] = {
            "activation": self._activation(activation),
            "weight": nibbles_in_fragments(weight, TILE_ROWS) if self.packed else turned_weight(weight, TILE_ROWS),
            "row_scales": activation.params.scale.ravel(),
            "column_scales": for_columns(weight.params.scale, n, TILE_ROWS) / np.float32(factor),
        }
        if activation.params.zero_point is not None:
            made["zero_points"] = activation.params.zero_point.ravel().astype(np.int32)
            made["column_sums"] = column_sums(weight, TILE_ROWS) * np.int32(factor)
        return made

    def _activation(self, activation: Quantized) -> NDArray[Any]:
        return padded(activation.codes, self._of.m)

    def _tokens(self, arrays: Arrays) -> Any:
        """The activation's codes as bytes [m, pitch], on the device."""
        return arrays["activation"]

    @property
    def _tiles(self) -> int:
        return -(-self._of.n // TILE_ROWS) * -(-self._of.m // self._macros["TILE_T"])

    @property
    def _shared_bytes(self) -> int:
        stage = stage_bytes(self._macros["TILE_T"], packed=self.packed) + BARRIER_BYTES
        return ALIGNMENT_BYTES + self._macros["STAGES"] * stage

    def _room(self) -> tuple[Any, Any]:
        """What several blocks leave of a tile, and how many lines of it are done. Launches follow each other, so all sets of
        operands share it."""
        import cupy

        if not self._macros["SPLIT"]:
            return NULL, NULL
        sums = TILE_ROWS * self._macros["TILE_T"]
        return cupy.empty(self._grid * 2 * sums, np.int32), cupy.zeros(self._tiles * _WARPGROUPS, np.uint32)

    def launch_on(self, arrays: Arrays) -> None:
        pointers = [
            arrays.get(name, NULL) for name in ("row_scales", "column_scales", "zero_points", "column_sums", "y")
        ]
        *extents, output_scale = self._scalars
        tokens = self._tokens(arrays)
        arguments = (*self._maps(tokens, arrays["weight"]), arrays["weight"], *pointers, *extents)
        arguments = (*arguments, arrays.get("bias", NULL), output_scale, self._parts, self._done)
        self.session.launch(self._kernel, self._grid, _THREADS, *arguments, shared_bytes=self._shared_bytes)

    def _maps(self, tokens: Any, weight: Any) -> tuple[Any, Any]:
        """Tensor maps of a set's operands, made once: they hold addresses, and sets keep theirs. Packed weights need none."""
        key = (tokens.data.ptr, weight.data.ptr)
        if key not in self._known_maps:
            of_tokens = rows_of_bytes(tokens, self._macros["TILE_T"])
            self._known_maps[key] = of_tokens, of_tokens if self.packed else rows_of_bytes(weight, TILE_ROWS)
        return self._known_maps[key]

    def output(self) -> Product:
        return product_of(self._of, self.array("y"), "exact")


class WgmmaS8Transposed(_Transposed):
    """int8 weights, int8 or uint8 activations."""

    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"SPLIT": 0}, {"SPLIT": 1})


class WgmmaW4A8(_Transposed):
    """int4 weights, int8 or uint8 activations."""

    packed = True
    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"SPLIT": 0}, {"SPLIT": 1}, ring(128, packed=True))


class WgmmaW4A4(WgmmaW4A8):
    """int4 weights and activations, which are unpacked in a launch before."""

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        import cupy

        super().__init__(problem, device, macros)
        self._bytes = cupy.empty((problem.m, self._pitch), np.uint8)
        self._unpack = self.session.kernel(self._chosen, "unpack")

    def _activation(self, activation: Quantized) -> NDArray[Any]:
        codes = padded(activation.codes, self._of.m).view(np.int8)
        return pack_nibbles(codes).reshape(self._of.m, -1)

    def _tokens(self, arrays: Arrays) -> Any:
        pieces = self._bytes.size // _UNPACKED_CODES
        packed = arrays["activation"]
        self.session.launch(self._unpack, -(-pieces // 256), 256, packed, self._bytes, np.uint64(pieces))
        return self._bytes


class WgmmaB1(_Transposed):
    """±1 of both operands, a bit each: places where both are +1 are counted, and what they have each is taken away."""

    codes_a_byte = 8
    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"SPLIT": 0}, {"SPLIT": 1})

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        m, n, k = self._of.m, self._of.n, self._of.k
        ones_of_rows, ones_of_columns = (np.count_nonzero(each.codes > 0, axis=1) for each in (activation, weight))
        rows = whole(n, TILE_ROWS)
        return {
            "activation": padded(bits_of(activation), m),
            "weight": padded(bits_of(weight), rows)[turned_order(rows)],
            "row_scales": for_columns(np.broadcast_to(activation.params.scale.ravel(), m), m, 1),
            "column_scales": for_columns(weight.params.scale, n, TILE_ROWS),
            "zero_points": (2 * ones_of_rows - k).astype(np.int32),
            "column_sums": for_columns((2 * ones_of_columns).astype(np.int32), n, TILE_ROWS),
        }

"""The products whose first operand is the weight on the device: wgmma_transposed.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel
from harness.backends.cuda.tensor_map import rows_of_bytes
from harness.device import Device
from harness.kernels.gemm.dynamic_rows import as_given, row_quantizer
from harness.kernels.gemm.ladder import ALIGNMENT_BYTES, BARRIER_BYTES
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.gemm.prepared import (
    PITCH_STEP,
    bit_operands,
    column_sums,
    for_columns,
    nibbles_in_fragments,
    nibbles_with_scales,
    padded,
    swizzled_lines,
    whole,
)
from harness.kernels.gemm.tensor_core import output_scale_of, product_of, room_to_share, stored_output
from harness.kernels.gemm.transposed_spec import (
    TILE_ROWS,
    TURN_BYTES,
    Kind,
    specialise,
)
from harness.numerics.packing import pack_nibbles
from harness.numerics.quantize import Quantized

_THREADS = 384
_UNPACKED_CODES = 32
"""A thread of common/unpack_nibbles.cuh."""
_NIBBLE_SCALE = 16
"""Times its code: what a nibble in the upper half of a byte is."""


class _Transposed(CudaKernel):
    """Integer codes; scales one or one a row of each operand. ``macros`` replace those chosen by the extents."""

    codes_a_byte: ClassVar[int] = 1
    """Of the tokens, when they are multiplied."""

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        activation, weight = problem.activation.quantized, problem.weight.quantized
        assert activation is not None, "planned for a quantized activation"
        assert weight is not None, "planned for a quantized weight"
        self._of = problem
        self._kind, changed = Kind.of(weight.scheme), dict(macros or {})
        tile = self._kind.ring(changed["TILE_T"]) if "TILE_T" in changed else {}
        self._macros = {**self._kind.constants(problem.m), **tile, **changed}
        n = problem.n
        inputs = self._operands(activation, weight)
        row_stride = inputs["row_scales"].size > 1
        if problem.bias is not None:
            inputs["bias"] = for_columns(problem.bias, n, TILE_ROWS)
        super().__init__(device, as_given(problem, inputs), {"y": stored_output(problem)})
        self._quantize = row_quantizer(self.session, problem)
        self._chosen = specialise(activation.scheme, problem.dtype, problem.epilogue, self._macros)
        self._pitch = whole(-(-problem.k // self.codes_a_byte), PITCH_STEP)
        self._kernel = self.session.kernel(self._chosen, "gemm", self._shared_bytes)
        self._scalars = (
            *(np.uint32(each) for each in (problem.m, n, self._pitch, row_stride)),
            output_scale_of(problem),
        )
        self._grid = min(self._tiles * (self._pitch // PITCH_STEP), self.session.multiprocessors)
        self._shared = room_to_share(self._grid, self._tiles, TILE_ROWS * self._macros["TILE_T"], TILE_ROWS // 64)
        self._known_maps: dict[int, Any] = {}

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        n, factor = self._of.n, _NIBBLE_SCALE if self._kind.packed else 1
        made: dict[str, NDArray[Any]] = {
            "activation": self._activation(activation),
            "row_scales": activation.params.scale.ravel(),
        }
        scale = weight.params.scale / np.float32(factor)
        if self._kind.grouped:
            made["weight"] = nibbles_with_scales(weight, TILE_ROWS, scale)
        else:
            packed = self._kind.packed
            made["weight"] = nibbles_in_fragments(weight, TILE_ROWS) if packed else self._swizzled(weight.codes)
            made["column_scales"] = for_columns(scale, n, TILE_ROWS)
        if activation.params.zero_point is not None:
            made["zero_points"] = activation.params.zero_point.ravel().astype(np.int32)
            made["column_sums"] = column_sums(weight, TILE_ROWS) * np.int32(factor)
        return made

    def _swizzled(self, codes: NDArray[Any]) -> NDArray[np.uint8]:
        return swizzled_lines(padded(codes, whole(self._of.n, TILE_ROWS)), TILE_ROWS)

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
        stage = self._kind.stage_bytes(self._macros["TILE_T"]) + BARRIER_BYTES
        return ALIGNMENT_BYTES + TURN_BYTES + self._macros["STAGES"] * stage

    def launch_on(self, arrays: Arrays) -> None:
        if self._quantize is not None:
            arrays = {**arrays, **self._quantize(arrays["x"])}
        pointers = [
            arrays.get(name, NULL) for name in ("row_scales", "column_scales", "zero_points", "column_sums", "y")
        ]
        *extents, output_scale = self._scalars
        tokens = self._tokens(arrays)
        arguments = (self._map(tokens), arrays["weight"], *pointers, *extents)
        arguments = (*arguments, arrays.get("bias", NULL), output_scale, *self._shared)
        self.session.launch(self._kernel, self._grid, _THREADS, *arguments, shared_bytes=self._shared_bytes)

    def _map(self, tokens: Any) -> Any:
        """The tensor map of a set's tokens, made once: it holds an address, and sets keep theirs."""
        key = tokens.data.ptr
        if key not in self._known_maps:
            self._known_maps[key] = rows_of_bytes(tokens, self._macros["TILE_T"])
        return self._known_maps[key]

    def output(self) -> Product:
        return product_of(self._of, self.array("y"), "f32" if self._kind.grouped else "exact")


class WgmmaS8Transposed(_Transposed):
    """int8 weights, int8 or uint8 activations."""

    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"TILE_T": 128})


class WgmmaW4A8(_Transposed):
    """int4 weights, with a scale a row or a group of 128; int8 or uint8 activations."""

    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"TILE_T": 128})


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
    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({}, {"TILE_T": 128})

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        made = bit_operands(activation, weight, TILE_ROWS, np.arange)
        return {**made, "weight": swizzled_lines(made["weight"], TILE_ROWS)}

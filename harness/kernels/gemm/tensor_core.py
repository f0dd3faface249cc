"""The products by mma.sync and wgmma on the device: mma_s8.cu, wgmma_s8.cu, wgmma_fp8.cu."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel, Output
from harness.backends.cuda.tensor_map import LINE_BYTES, rows_of_bytes
from harness.device import Device
from harness.kernels.gemm.dynamic_rows import as_given, row_quantizer
from harness.kernels.gemm.ladder import (
    ALIGNMENT_BYTES,
    BARRIER_BYTES,
    FP8_FAST,
    FP8_PROMOTED,
    MMA_B1,
    MMA_S8,
    WGMMA_S8,
    Step,
    has_blocks,
)
from harness.kernels.gemm.oracle import GemmProblem, Product, Sums, requantized_product
from harness.kernels.gemm.prepared import (
    bit_operands,
    column_sums,
    for_columns,
    fragment_order,
    ordered_weight,
    padded,
    scales_of_lines,
)
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type

_SCALARS = ("row_scales", "column_scales", "zero_points", "column_sums")


class _TensorCoreProduct(CudaKernel):
    """8-bit codes; scales one or one a row of each operand, or of blocks of 128; the output in the problem's type.

    ``macros`` replace those of the step: ``STAGES``, and with wgmma ``TILE_N``, ``BLOCKS`` and
    ``RASTER_ROWS``.
    """

    step: ClassVar[Step]
    configurations: ClassVar[tuple[Mapping[str, int], ...]] = ({},)
    """Macros that the fastest may be found among (``harness.tuning``)."""
    sums: ClassVar[Sums]

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        activation, weight = problem.activation.quantized, problem.weight.quantized
        assert activation is not None, "planned for a quantized activation"
        assert weight is not None, "planned for a quantized weight"
        chosen = self.step.specialise(activation.scheme, weight.scheme, problem.dtype, problem.epilogue)
        chosen = chosen.changed(**(macros or {}))
        self._macros = {**self.step.constants, **(macros or {})}
        self._of = problem
        inputs = self._operands(activation, weight)
        pitch, self._row_stride = inputs["activation"].shape[1], np.uint32(inputs["row_scales"].size > 1)
        if problem.bias is not None:
            inputs["bias"] = for_columns(problem.bias, problem.n, self._tile[1])
        super().__init__(device, as_given(problem, inputs), {"y": stored_output(problem)})
        self._quantize = row_quantizer(self.session, problem)
        self._kernel = self.session.kernel(chosen, "gemm", self._shared_bytes)
        self._extents = tuple(np.uint32(each) for each in (problem.m, problem.n, pitch))
        self._output_scale = output_scale_of(problem)

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        n, columns = self._of.n, self._tile[1]
        made: dict[str, NDArray[Any]] = {
            "activation": padded(activation.codes, self._of.m),
            "weight": ordered_weight(weight, columns),
        }
        if has_blocks(activation.scheme):
            return {**made, "row_scales": scales_of_lines(activation), "column_scales": weight.params.scale}
        made["row_scales"] = activation.params.scale.ravel()
        made["column_scales"] = for_columns(weight.params.scale, n, columns)
        if activation.params.zero_point is not None:
            made["zero_points"] = activation.params.zero_point.ravel().astype(np.int32)
            made["column_sums"] = column_sums(weight, columns)
        return made

    @property
    @abstractmethod
    def _tile(self) -> tuple[int, int]:
        """Rows and columns of the output that a block makes at a time."""

    @property
    @abstractmethod
    def _shared_bytes(self) -> int:
        """Dynamic shared memory of a block."""

    def launch_on(self, arrays: Arrays) -> None:
        self._multiply(arrays if self._quantize is None else {**arrays, **self._quantize(arrays["x"])})

    @abstractmethod
    def _multiply(self, arrays: Arrays) -> None:
        """The product of quantized operands."""

    def _pointers(self, arrays: Arrays) -> tuple[Any, ...]:
        return (*(arrays.get(name, NULL) for name in _SCALARS), arrays["y"])

    def _following(self, arrays: Arrays) -> tuple[Any, ...]:
        return (arrays.get("bias", NULL), self._output_scale)

    def output(self) -> Product:
        return product_of(self._of, self.array("y"), self.sums)


def room_to_share(grid: int, tiles: int, outputs: int, parts: int) -> tuple[Any, Any]:
    """What blocks leave of tiles that they share, each of so many ``outputs``, and how many lines of each of its ``parts`` are done
    (``common/shared_tiles.cuh``). Launches follow each other, so all sets of operands have the same room."""
    import cupy

    return cupy.empty(grid * 2 * outputs, np.int32), cupy.zeros(tiles * parts, np.uint32)


def stored_output(problem: GemmProblem) -> Output:
    """The output in the problem's type, or as codes."""
    codes = problem.epilogue.output == "int8"
    return Output((problem.m, problem.n), np.int8 if codes else value_type(problem.dtype).stored)


def output_scale_of(problem: GemmProblem) -> np.float32:
    """Of an output as codes; 1 of any other."""
    return np.float32(problem.output_scale if problem.epilogue.output == "int8" else 1)


def product_of(problem: GemmProblem, stored: NDArray[Any], sums: Sums) -> Product:
    """What a kernel has stored there."""
    if problem.epilogue.output == "int8":
        return requantized_product(problem, stored, sums)
    return Product(stored.view(value_type(problem.dtype).numpy()), sums)


class _MmaSync(_TensorCoreProduct):
    """By mma.sync: a block a tile of 128 x 128."""

    sums = "exact"

    @property
    def _tile(self) -> tuple[int, int]:
        return (128, 128)

    @property
    def _shared_bytes(self) -> int:
        return sum(self._tile) * self._macros["DEPTH"] * self._macros["STAGES"]

    def _multiply(self, arrays: Arrays) -> None:
        rows, columns = self._tile
        grid = -(-self._of.n // columns) * -(-self._of.m // rows)
        operands = (arrays["activation"], arrays["weight"], *self._pointers(arrays))
        arguments = (*operands, *self._extents, self._row_stride, *self._following(arrays))
        self.session.launch(self._kernel, grid, 128, *arguments, shared_bytes=self._shared_bytes)


class MmaS8(_MmaSync):
    """int8 or uint8 × int8."""

    step = MMA_S8


class MmaB1(_MmaSync):
    """±1 of both operands, a bit each."""

    step = MMA_B1

    def _operands(self, activation: Quantized, weight: Quantized) -> dict[str, NDArray[Any]]:
        return bit_operands(activation, weight, self._tile[1], fragment_order)


class _Wgmma(_TensorCoreProduct):
    """Blocks that stay and take tile after tile; two warpgroups multiply, a thread of a third one fetches."""

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        super().__init__(problem, device, macros)
        self._known_maps: dict[tuple[int, int], tuple[Any, Any]] = {}
        rows, columns = self._tile
        self._grid = min(-(-problem.m // rows) * -(-problem.n // columns), self.session.multiprocessors)

    @property
    def _tile(self) -> tuple[int, int]:
        return (128 * self._macros["BLOCKS"], self._macros["TILE_N"])

    @property
    def _shared_bytes(self) -> int:
        return ALIGNMENT_BYTES + self._macros["STAGES"] * (sum(self._tile) * LINE_BYTES + BARRIER_BYTES)

    def _multiply(self, arrays: Arrays) -> None:
        scalars = (*self._extents, self._row_stride, *self._following(arrays))
        arguments = (*self._maps(arrays), *self._pointers(arrays), *scalars)
        self.session.launch(self._kernel, self._grid, 384, *arguments, shared_bytes=self._shared_bytes)

    def _maps(self, arrays: Arrays) -> tuple[Any, Any]:
        """Tensor maps of a set's operands, made once: they hold addresses, and sets keep theirs."""
        operands = (arrays["activation"], arrays["weight"])
        key = (operands[0].data.ptr, operands[1].data.ptr)
        if key not in self._known_maps:
            rows, columns = self._tile
            self._known_maps[key] = rows_of_bytes(operands[0], rows), rows_of_bytes(operands[1], columns)
        return self._known_maps[key]


_LOW, _TALL = {"TILE_N": 128, "BLOCKS": 1}, {"TILE_N": 128, "BLOCKS": 2}


class WgmmaS8(_Wgmma):
    """int8 or uint8 × int8 by wgmma m64n256k32, or m64n128k32 where that was found faster."""

    step = WGMMA_S8
    configurations = ({}, _TALL, _LOW)
    sums = "exact"


class WgmmaFp8(_Wgmma):
    """fp8 × fp8 by wgmma m64n128k32, sums promoted to f32 every 128 of k."""

    step = FP8_PROMOTED
    configurations = ({}, _LOW)
    sums = "fp8_promoted"


class WgmmaFp8FastAccum(_Wgmma):
    """fp8 × fp8 by wgmma m64n256k32 (or m64n128k32), sums in the tensor cores throughout."""

    step = FP8_FAST
    configurations = ({}, _TALL, _LOW)
    sums = "fp8"

"""The products with weights alone quantized, on the device: weight_only_gemv.cu, weight_only_wgmma.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import NULL, Arrays, CudaKernel
from harness.backends.cuda.tensor_map import LINE_BYTES, rows_of_bytes
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product, requantized_product
from harness.kernels.gemm.prepared import for_columns
from harness.kernels.gemm.tensor_core import output_scale_of, room_to_share, stored_output
from harness.kernels.gemm.weight_gemv import GemvPlan, gemv_plan, shared_limit
from harness.kernels.gemm.weight_layout import WeightLayout, operands_of
from harness.kernels.gemm.weight_packing import column_scales, packed_weight, table_values
from harness.kernels.gemm.weight_wgmma import WgmmaPlan, wgmma_plan
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type


def operands(problem: GemmProblem, layout: WeightLayout, pitch_step: int = 1) -> dict[str, NDArray[Any]]:
    """What the products read: activations in 16 bits (rows filled with zeros to multiples of
    ``pitch_step``), packed codes with scales and zero points, scales of rows, and the
    values of codes that are looked up."""
    weight, activation = quantized_weight(problem), value_type(layout.operands).store(problem.activation.values)
    return {
        "x": np.pad(activation, ((0, 0), (0, -problem.k % pitch_step))),
        "weight": packed_weight(weight, layout),
        "column_scales": column_scales(weight),
        "values": table_values(layout),
    }


def quantized_weight(problem: GemmProblem) -> Quantized:
    weight = problem.weight.quantized
    assert weight is not None, "planned for a quantized weight"
    return weight


def global_scale(problem: GemmProblem) -> np.float32:
    """What scales of two levels are multiplied with."""
    return np.float32(quantized_weight(problem).params.scales.global_scale or 1)


def product_of(problem: GemmProblem, weight_rounding: float, stored: NDArray[Any]) -> Product:
    """What a kernel has stored there."""
    if problem.epilogue.output == "int8":
        return requantized_product(problem, stored, "f32")
    values, taken = stored.view(value_type(problem.dtype).numpy()), operands_of(problem.dtype)
    return Product(values, "f32", operands=taken, weight_rounding=weight_rounding)


class WeightOnlyGemv(CudaKernel):
    """Up to eight rows of activations. ``macros`` replace those of the plan; ``plan`` the one that is chosen."""

    def __init__(
        self,
        problem: GemmProblem,
        device: Device,
        macros: Mapping[str, int] | None = None,
        plan: GemvPlan | None = None,
    ) -> None:
        scheme, limit = quantized_weight(problem).scheme, shared_limit(device.architecture)
        chosen = plan or gemv_plan(scheme, problem.dtype, problem.m, problem.k, limit)
        assert chosen is not None, "planned for what fits"
        self._of, self._plan, self._layout = problem, chosen, chosen.layout
        super().__init__(device, operands(problem, chosen.layout), {"y": stored_output(problem)})
        self._shared = chosen.shared_bytes(problem.m, problem.k)
        self._kernel = self.session.kernel(chosen.specialise(problem.dtype, macros), "gemv", self._shared)
        extents = tuple(np.uint32(each) for each in (problem.m, problem.n, problem.k))
        self._scalars = (*extents, global_scale(problem))

    def launch_on(self, arrays: Arrays) -> None:
        tiles = -(-self._of.n // self._layout.rows)
        names = ("x", "weight", "column_scales", "values", "y")
        arguments = (*(arrays[name] for name in names), *self._scalars)
        grid = min(tiles, self.session.multiprocessors)
        self.session.launch(self._kernel, grid, 32 * (self._plan.warps + 1), *arguments, shared_bytes=self._shared)

    def output(self) -> Product:
        return product_of(self._of, self._layout.weight_rounding, self.array("y"))


class WeightOnlyWgmma(CudaKernel):
    """Any number of rows of activations. ``macros`` replace those of the plan; ``plan`` the one that is chosen."""

    def __init__(
        self,
        problem: GemmProblem,
        device: Device,
        macros: Mapping[str, int] | None = None,
        plan: WgmmaPlan | None = None,
    ) -> None:
        self._of = problem
        self._plan = plan or wgmma_plan(quantized_weight(problem).scheme, problem.dtype, problem.m)
        layout = self._plan.layout
        inputs = operands(problem, layout, LINE_BYTES // 2)
        inputs["column_scales"] = for_columns(inputs["column_scales"], problem.n, layout.rows)
        if problem.bias is not None:
            inputs["bias"] = for_columns(problem.bias, problem.n, layout.rows)
        super().__init__(device, inputs, {"y": stored_output(problem)})
        chosen = self._plan.specialise(problem.dtype, problem.epilogue, macros)
        self._kernel = self.session.kernel(chosen, "gemm", self._plan.shared_bytes)
        extents = tuple(np.uint32(each) for each in (problem.m, problem.n, problem.k))
        self._scalars = (*extents, global_scale(problem))
        self._output_scale = output_scale_of(problem)
        tiles, spans = self._plan.tiles(problem.m, problem.n), -(-problem.k // layout.span)
        self._grid = min(tiles * spans, self.session.multiprocessors)
        self._shared = room_to_share(self._grid, tiles, layout.rows * self._plan.tokens, layout.rows // 64)
        self._known_maps: dict[int, Any] = {}

    def launch_on(self, arrays: Arrays) -> None:
        names = ("weight", "column_scales", "values", "y")
        pointers = (arrays[name] for name in names)
        following = (arrays.get("bias", NULL), self._output_scale)
        arguments = (self._map(arrays["x"]), *pointers, *self._scalars, *following, *self._shared)
        self.session.launch(
            self._kernel, self._grid, self._plan.threads, *arguments, shared_bytes=self._plan.shared_bytes
        )

    def _map(self, x: Any) -> Any:
        """Tensor map of a set's activations, made once: it holds an address, and sets keep theirs."""
        if x.data.ptr not in self._known_maps:
            self._known_maps[x.data.ptr] = rows_of_bytes(x.view(np.uint8), self._plan.tokens)
        return self._known_maps[x.data.ptr]

    def output(self) -> Product:
        return product_of(self._of, self._plan.weight_rounding, self.array("y"))

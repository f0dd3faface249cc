"""The products with weights alone quantized, on the device: weight_only_gemv.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Arrays, CudaKernel
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.gemm.tensor_core import stored_output
from harness.kernels.gemm.weight_gemv import GemvPlan, gemv_plan, shared_limit
from harness.kernels.gemm.weight_layout import WeightLayout, operands_of
from harness.kernels.gemm.weight_packing import column_scales, packed_weight, table_values
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type


def operands(problem: GemmProblem, layout: WeightLayout) -> dict[str, NDArray[Any]]:
    """What the products read: activations in 16 bits, packed codes with scales and zero points, scales of rows, and the
    values of codes that are looked up."""
    weight = quantized_weight(problem)
    return {
        "x": value_type(layout.operands).store(problem.activation.values),
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
        values = self.array("y").view(value_type(self._of.dtype).numpy())
        taken = operands_of(self._of.dtype)
        return Product(values, "f32", operands=taken, weight_rounding=self._layout.weight_rounding)

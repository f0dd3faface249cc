"""cupy.partition as a user would find order statistics with it: it sorts every block's elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.common.affine_kernel import code_limits, scale_target
from harness.kernels.common.supports import quantized, scheme_and_tiling, static
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.spec import Request
from harness.numerics.calibrate import QuantParams
from harness.numerics.granularity import Tiling
from harness.numerics.scales import Scales
from harness.numerics.scheme import OperandScheme

_LEAST = np.float32(2.0**-126)


def takes_partition(request: Request, device: Device) -> str | None:
    """Percentiles of f32 or f16, scales of f32, blocks that are all of one size."""
    scheme, missing = quantized(request, "tensor")
    if reason := missing or static(scheme, "tensor"):
        return reason
    if scheme.calibrator.kind != "percentile":
        return f"calibrates by percentile, not {scheme.calibration}"
    if scheme.scale_format != "f32":
        return f"takes scales of f32, not {scheme.scale_format}"
    if scheme.element.kind == "binary":
        return "takes formats that have a zero"
    if request["tensor"].dtype == "bf16":
        return "takes no tensor of bf16: cupy has no such type"
    _, tiling = scheme_and_tiling(request["tensor"])
    if any(size % extent for size, extent in zip(tiling.shape, tiling.block, strict=True)) or 0 in tiling.shape:
        return "takes blocks that are all of one size"
    return None


def partition_scales(xp: Any, x: Any, scheme: OperandScheme, tiling: Tiling) -> tuple[Any, Any | None]:
    """Flat scales and zero points of ``x``, an array of ``xp`` (cupy; NumPy says the same)."""
    axes = range(len(tiling.shape))
    split = x.reshape([n for pair in zip(tiling.grid, tiling.block, strict=True) for n in pair])
    rows = split.transpose([2 * a for a in axes] + [2 * a + 1 for a in axes]).reshape(tiling.blocks, -1)
    percent = scheme.calibrator.argument
    assert percent is not None, "percentile has an argument"
    ranks = [max(1, math.ceil(each * rows.shape[1] / 100)) - 1 for each in (percent, 100 - percent)]
    steps, (low, high) = scale_target(scheme)[0], code_limits(scheme)
    if scheme.symmetric:
        magnitudes = xp.abs(rows) if scheme.element.signed else xp.maximum(rows, 0)
        extent = xp.partition(magnitudes, ranks[0], axis=1)[:, ranks[0]].astype(np.float32)
        return xp.where(extent == 0, np.float32(1), xp.maximum(extent / steps, _LEAST)), None
    ordered = xp.partition(rows, sorted(set(ranks)), axis=1)
    top = xp.maximum(ordered[:, ranks[0]], 0).astype(np.float32)
    bottom = xp.minimum(ordered[:, ranks[1]], 0).astype(np.float32)
    extent = top - bottom
    scale = xp.where(extent == 0, np.float32(1), xp.maximum(extent / steps, _LEAST))
    return scale, xp.clip(xp.rint(low - bottom / scale), low, high)


class CupyPartition(CudaKernel):
    """Values in; scales and zero points out. On the session's stream, as all of cupy's work is."""

    def __init__(self, problem: TensorProblem, device: Device) -> None:
        self.problem = problem
        names = ("scales",) if problem.quantized.scheme.symmetric else ("scales", "zeros")
        made = {name: Output((problem.quantized.params.scale.size,), np.float32) for name in names}
        super().__init__(device, {"x": problem.type.store(problem.finite)}, made)

    def launch_on(self, arrays: Arrays) -> None:
        import cupy

        quantized, x = self.problem.quantized, arrays["x"]
        values = x.view(np.float16) if self.problem.type.name == "f16" else x
        scales, zeros = partition_scales(cupy, values, quantized.scheme, quantized.tiling)
        arrays["scales"][...] = scales
        if zeros is not None:
            arrays["zeros"][...] = zeros

    def output(self) -> QuantParams:
        params = self.problem.quantized.params
        zeros: NDArray[np.int32] | None = None
        if params.zero_point is not None:
            zeros = self.array("zeros").astype(np.int32).reshape(params.scale.shape)
        return QuantParams(Scales(self.array("scales").reshape(params.scale.shape)), zeros)

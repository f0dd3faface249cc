"""Activations whose range is found when the product is made: a launch before it quantizes their rows, by quantize/dynamic.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.session import Session
from harness.kernels.common.affine_kernel import scale_target
from harness.kernels.common.supports import format_in, granularity_in, one_level, planned, quantized
from harness.kernels.gemm.oracle import GemmProblem
from harness.kernels.quantize.dynamic_program import one_pass
from harness.kernels.spec import Request
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type

_LINE = 128
"""Bytes of codes: rows of so many need no zeros behind them."""


def takes_dynamic_rows(request: Request, formats: tuple[str, ...]) -> str | None:
    """Of an activation with a dynamic range: a scale a row in f32, no zero points, rows of whole lines."""
    plan = request["activation"]
    scheme, missing = quantized(request, "activation")
    reason = (
        missing
        or format_in(scheme, formats, "activation")
        or granularity_in(scheme, ("per_token",), "activation with a dynamic range")
        or one_level(scheme)
    )
    if reason:
        return reason
    if not scheme.symmetric or scheme.scale_format != "f32" or scheme.calibration != "minmax":
        return "takes dynamic ranges of the activation with scales of f32, without zero points, by minmax"
    if plan.shape[1] % _LINE:
        return f"takes dynamic ranges of the activation where k is a multiple of {_LINE}"
    if one_pass(scheme, scheme.blocks.tiling(plan.shape, plan.channel_axis), plan.dtype) is None:
        return "holds rows of the activation with a dynamic range in registers: up to 8192 loads of 16 bytes"
    return None


class RowQuantizer:
    """Quantizes values [m, k] to codes [m, k] of a byte each and scales [m], anew at each call."""

    def __init__(self, session: Session, activation: Quantized, dtype: str) -> None:
        import cupy

        self._session, self._target = session, scale_target(activation.scheme)
        self._plan = planned(one_pass(activation.scheme, activation.tiling, dtype))
        self._kernel = session.kernel(self._plan.specialisation(), "quantize_dynamic")
        self._made = {
            "activation": cupy.empty(activation.codes.shape, np.uint8),
            "row_scales": cupy.empty(activation.params.scale.size, np.float32),
        }

    def __call__(self, values: Any) -> dict[str, Any]:
        """The operands of a product that these values, as they lie on the device, become. Asynchronous."""
        plan, team, made = self._plan, self._plan.team, self._made
        shape = (plan.rows, plan.columns, plan.block_rows, plan.block_columns, plan.across, plan.blocks)
        null = np.uint64(0)
        operands = (values, null, made["activation"], made["row_scales"], null)
        grid = -(-plan.blocks * team.lanes // team.threads)
        self._session.launch(self._kernel, grid, team.threads, *operands, *self._target, *map(np.uint32, shape))
        return made


def as_given(problem: GemmProblem, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The operands of a product as they are before its launches: with a dynamic range the activation's values, not its codes."""
    if not _is_dynamic(problem):
        return inputs
    kept = {name: array for name, array in inputs.items() if name not in ("activation", "row_scales")}
    return {**kept, "x": value_type(problem.dtype).store(problem.activation.values)}


def row_quantizer(session: Session, problem: GemmProblem) -> RowQuantizer | None:
    """What makes the activation's codes and scales; None where they are given."""
    activation = problem.activation.quantized
    if activation is None or not _is_dynamic(problem):
        return None
    return RowQuantizer(session, activation, problem.dtype)


def _is_dynamic(problem: GemmProblem) -> bool:
    activation = problem.activation.quantized
    return activation is not None and activation.scheme.range == "dynamic"

"""The peers of each op: operands in, the family's output out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Output
from harness.device import Device
from harness.kernels.common.affine_kernel import code_bytes, code_limits, read_codes, stored_codes
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.fake_quantize_backward.oracle import BackwardProblem
from harness.kernels.quantize.oracle import Codes
from harness.kernels.statistics.measured import FIGURES, Measured, figures_of
from harness.kernels.torch_peers import functions
from harness.kernels.torch_peers.functions import Blocks, Function, Target
from harness.kernels.torch_peers.kernel import TorchKernel
from harness.kernels.torch_peers.measures import statistics as measures
from harness.kernels.torch_peers.types import CODES, Read, tensor_types
from harness.numerics.gradients import Gradients
from harness.numerics.quantize import outermost


def _function(make: Callable[[Blocks, Target], Function], problem: TensorProblem) -> Function:
    """Of the problem's blocks and codes."""
    scheme = problem.quantized.scheme
    low, high = (float(each) for each in code_limits(scheme))
    float8 = "" if scheme.element.is_integer else CODES[scheme.format]
    return make(
        Blocks.of(problem.quantized.tiling), Target(low, high, not scheme.symmetric, scheme.element.bits == 4, float8)
    )


def _scaling(problem: TensorProblem) -> dict[str, NDArray[Any]]:
    """Scales, and zero points (not read where the scheme has none)."""
    params = problem.quantized.params
    zeros = np.zeros_like(params.scale) if params.zero_point is None else params.zero_point.astype(np.float32)
    return {"scales": params.scale, "zeros": zeros}


def _values(problem: TensorProblem, values: NDArray[np.float32] | None = None) -> NDArray[Any]:
    return problem.type.store(problem.finite if values is None else values)


def _like_values(problem: TensorProblem) -> Output:
    return Output(problem.values.shape, problem.type.stored)


def _read_values(problem: TensorProblem, read: Read, name: str) -> NDArray[np.float32]:
    return problem.type.read(read(name)).reshape(problem.values.shape)


def _code_shape(problem: TensorProblem) -> tuple[int, ...]:
    """The tensor's; flat where two codes share a byte."""
    return (code_bytes(problem),) if problem.quantized.scheme.element.bits < 8 else problem.values.shape


def quantize(problem: TensorProblem, device: Device, *, compiled: bool) -> TorchKernel:
    """Codes; with a dynamic range scales and zero points too."""
    params, scheme = problem.quantized.params, problem.quantized.scheme
    dynamic = scheme.range == "dynamic"
    made = {"codes": Output(_code_shape(problem), np.uint8)}
    given = {"x": _values(problem)}
    if dynamic:
        low, high = code_limits(scheme)
        given["steps"] = np.array([high if scheme.symmetric else high - low], np.float32)
        made |= {name: Output(params.scale.shape, np.float32) for name in ("scales", "zeros")}
    else:
        given |= _scaling(problem)

    def output(read: Read) -> Codes:
        codes = read_codes(problem, read("codes").ravel())
        if not dynamic:
            return Codes(codes)
        return Codes(codes, read("scales"), None if scheme.symmetric else read("zeros").astype(np.int32))

    function = _function(functions.quantize_dynamic if dynamic else functions.quantize, problem)
    return TorchKernel(device, given, made, function, tensor_types(problem), output, compiled=compiled)


def dequantize(problem: TensorProblem, device: Device, *, compiled: bool) -> TorchKernel:
    """Values."""
    given = {"codes": stored_codes(problem).reshape(_code_shape(problem)), **_scaling(problem)}
    return _to_values(functions.dequantize, problem, device, given, compiled)


def fake_quantize(problem: TensorProblem, device: Device, *, compiled: bool) -> TorchKernel:
    """Values that codes can stand for."""
    return _to_values(functions.fake_quantize, problem, device, {"x": _values(problem), **_scaling(problem)}, compiled)


def _to_values(
    make: Callable[[Blocks, Target], Function],
    problem: TensorProblem,
    device: Device,
    given: dict[str, NDArray[Any]],
    compiled: bool,
) -> TorchKernel:
    def output(read: Read) -> NDArray[np.float32]:
        return _read_values(problem, read, "y")

    made = {"y": _like_values(problem)}
    return TorchKernel(device, given, made, _function(make, problem), tensor_types(problem), output, compiled=compiled)


def statistics(problem: TensorProblem, device: Device, *, compiled: bool) -> TorchKernel:
    """Figures and counts of codes."""
    quantized, scheme = problem.quantized, problem.quantized.scheme
    lowest, highest = outermost(scheme)
    codes = 1 << scheme.element.bits
    given = {"x": problem.type.store(problem.values), "codes": stored_codes(problem).reshape(_code_shape(problem))}
    made = {"total": Output((FIGURES,), np.float64), "counts": Output((codes,), np.int32)}

    def output(read: Read) -> Measured:
        figures = figures_of(read("total"), quantized.codes.size, problem.bits_per_element)
        return Measured(figures, read("counts"))

    function = _function(partial(measures, lowest=lowest, highest=highest, codes_of_format=codes), problem)
    operands = {**given, **_scaling(problem)}
    return TorchKernel(device, operands, made, function, tensor_types(problem), output, compiled=compiled)


def backward(
    make: Callable[[Blocks, Target], Function], problem: BackwardProblem, device: Device, *, compiled: bool
) -> TorchKernel:
    """Gradients by values, scales and zero points."""
    tensor = problem.tensor
    grid, zero_point = tensor.quantized.params.scale.shape, tensor.quantized.params.zero_point
    given = {"x": _values(tensor), "upstream": _values(tensor, problem.upstream), **_scaling(tensor)}
    made = {"made": _like_values(tensor), **{name: Output(grid, np.float32) for name in ("by_scale", "by_zero")}}

    def output(read: Read) -> Gradients:
        by_zero = None if zero_point is None else read("by_zero")
        return Gradients(_read_values(tensor, read, "made"), read("by_scale"), by_zero)

    function = _function(make, tensor)
    return TorchKernel(device, given, made, function, tensor_types(tensor), output, compiled=compiled)


QUANTIZE_EAGER, QUANTIZE_COMPILE = (partial(quantize, compiled=compiled) for compiled in (False, True))
DEQUANTIZE_EAGER, DEQUANTIZE_COMPILE = (partial(dequantize, compiled=compiled) for compiled in (False, True))
FAKE_QUANTIZE_EAGER, FAKE_QUANTIZE_COMPILE = (partial(fake_quantize, compiled=compiled) for compiled in (False, True))
STATISTICS_EAGER, STATISTICS_COMPILE = (partial(statistics, compiled=compiled) for compiled in (False, True))
STE_BACKWARD_EAGER, STE_BACKWARD_COMPILE = (
    partial(backward, functions.ste_backward, compiled=compiled) for compiled in (False, True)
)
LSQ_BACKWARD_EAGER, LSQ_BACKWARD_COMPILE = (
    partial(backward, functions.lsq_backward, compiled=compiled) for compiled in (False, True)
)

"""The peers of calibration: a tensor in, scales and zero points out; and which requests they take."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Output
from harness.device import Device
from harness.kernels.common.affine_kernel import code_limits, scale_target
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.torch_peers import ranges
from harness.kernels.torch_peers.functions import Blocks, Function
from harness.kernels.torch_peers.kernel import TorchKernel
from harness.kernels.torch_peers.ranges import Coding, Select
from harness.kernels.torch_peers.types import Read, tensor_types
from harness.numerics.calibrate import QuantParams
from harness.numerics.scales import Scales


def coding_of(problem: TensorProblem) -> Coding:
    """Of the problem's scheme."""
    scheme = problem.quantized.scheme
    low, high = (float(each) for each in code_limits(scheme))
    return Coding(low, high, not scheme.symmetric, scheme.symmetric and not scheme.element.signed)


def function_of(problem: TensorProblem, select: Select) -> Function:
    """What finds the problem's calibration; ``select`` says how order statistics are found."""
    scheme, blocks, coding = problem.quantized.scheme, Blocks.of(problem.quantized.tiling), coding_of(problem)
    calibrator = scheme.calibrator
    if calibrator.kind == "minmax":
        return ranges.minmax(blocks, coding)
    assert calibrator.argument is not None, f"{calibrator.kind} has an argument"
    if calibrator.kind == "percentile":
        high, low = (
            max(1, math.ceil(percent * blocks.elements / 100))
            for percent in (calibrator.argument, 100 - calibrator.argument)
        )
        return ranges.percentile(blocks, coding, select, high, low)
    if calibrator.kind == "kl":
        levels = 1 << scheme.element.bits - int(scheme.element.signed)
        return ranges.kl(blocks, coding, int(calibrator.argument), levels)
    assert calibrator.kind == "ema_minmax", f"planned for {calibrator.kind}"
    assert calibrator.batches is not None, "a moving average has batches"
    batch = -(-blocks.elements // calibrator.batches)
    return ranges.moving_minmax(blocks, coding, batch, float(calibrator.argument))


def calibration(problem: TensorProblem, device: Device, *, compiled: bool, select: Select = "topk") -> TorchKernel:
    """Scales and zero points."""
    params, scheme = problem.quantized.params, problem.quantized.scheme
    given: dict[str, NDArray[Any]] = {
        "x": problem.type.store(problem.finite),
        "steps": np.array([scale_target(scheme)[0]], np.float32),
    }
    made = {name: Output(params.scale.shape, np.float32) for name in ("scales", "zeros")}

    def output(read: Read) -> QuantParams:
        zeros = None if scheme.symmetric else read("zeros").astype(np.int32)
        return QuantParams(Scales(read("scales")), zeros)

    function, types = function_of(problem, select), tensor_types(problem)
    return TorchKernel(device, given, made, function, types, output, compiled=compiled)


CALIBRATION_EAGER, CALIBRATION_COMPILE = (partial(calibration, compiled=compiled) for compiled in (False, True))
CALIBRATION_KTHVALUE = partial(calibration, compiled=False, select="kthvalue")
CALIBRATION_SORT = partial(calibration, compiled=False, select="sort")

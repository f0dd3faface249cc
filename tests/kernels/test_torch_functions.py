"""PyTorch's spellings on tensors of the host, where PyTorch is installed (extra ``[oracles]``): what they make is what their
op's judge lets pass, eager and as one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from example_suites import CUDA
from fake_torch_kernel import HostTorchKernel

from harness.kernels.calibration.oracle import FAMILY as CALIBRATE
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.statistics.oracle import FAMILY as MEASURE
from harness.kernels.torch_peers import calibration as calibrations
from harness.kernels.torch_peers import ops, ranges
from harness.kernels.torch_peers.functions import Blocks
from harness.numerics.granularity import Tiling
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

torch = pytest.importorskip("torch")

GRANULARITIES = ["per_tensor", "per_channel", "per_group:16", "per_block:2x16", "per_block:*x16"]


def _problem(dtype: str = "f32", shape: tuple[int, ...] = (6, 64), axis: int = 0, **scheme: Any) -> TensorProblem:
    x = np.random.default_rng(7).standard_normal(shape, dtype=np.float32) + np.float32(0.25)
    kind = VALUE_TYPES[dtype]
    x = kind.round(x)
    found = OperandScheme(**scheme)
    return TensorProblem(x, quantize(x, found, channel_axis=axis, non_finite="mask"), 8.0, kind)


def _judged(family: Any, problem: TensorProblem, make: Any, monkeypatch: pytest.MonkeyPatch, backend: str) -> Any:
    for module in (ops, calibrations):
        monkeypatch.setattr(module, "TorchKernel", HostTorchKernel)
    kernel = make(problem, CUDA, compiled=backend != "")
    kernel.launch(backend)
    verdict = family.judge(problem, kernel.output())
    assert verdict.conforms, verdict.reason
    return kernel


BACKENDS = pytest.mark.parametrize("backend", ["", "aot_eager"], ids=["eager", "graph"])
DTYPES = pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])


@BACKENDS
@DTYPES
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize(("element", "symmetric"), [("int8", True), ("uint8", True), ("int8", False), ("int4", False)])
def test_ranges(element, symmetric, granularity, dtype, backend, monkeypatch):
    problem = _problem(dtype, format=element, granularity=granularity, symmetric=symmetric)
    _judged(CALIBRATE, problem, calibrations.calibration, monkeypatch, backend)


@BACKENDS
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("calibration", ["ema_minmax", "ema_minmax:0.1,5", "ema_minmax:0.5,3"])
@pytest.mark.parametrize(("element", "symmetric"), [("int8", True), ("uint8", True), ("int8", False)])
def test_moving_ranges(element, symmetric, calibration, granularity, backend, monkeypatch):
    problem = _problem(format=element, granularity=granularity, symmetric=symmetric, calibration=calibration)
    _judged(CALIBRATE, problem, calibrations.calibration, monkeypatch, backend)


@DTYPES
@pytest.mark.parametrize("select", ["topk", "kthvalue", "sort"])
@pytest.mark.parametrize("calibration", ["percentile:99.9", "percentile:50.1"])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_block:2x16"])
@pytest.mark.parametrize(("element", "symmetric"), [("int8", True), ("uint8", True), ("int8", False)])
def test_order_statistics(element, symmetric, granularity, calibration, select, dtype, monkeypatch):
    problem = _problem(dtype, format=element, granularity=granularity, symmetric=symmetric, calibration=calibration)

    def make(*arguments: Any, compiled: bool) -> Any:
        return calibrations.calibration(*arguments, compiled=compiled, select=select)

    _judged(CALIBRATE, problem, make, monkeypatch, "")


@BACKENDS
@pytest.mark.parametrize("calibration", ["kl", "kl:512"])
@pytest.mark.parametrize("element", ["int8", "int4", "uint8"])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_divergences(granularity, element, calibration, backend, monkeypatch):
    problem = _problem(shape=(3, 4096), format=element, granularity=granularity, calibration=calibration)
    _judged(CALIBRATE, problem, calibrations.calibration, monkeypatch, backend)


@pytest.mark.parametrize("calibration", ["minmax", "ema_minmax:0.1,8", "percentile:99", "kl"])
def test_blocks_of_zeros_have_a_scale_of_one(calibration, monkeypatch):
    x = np.zeros((2, 4096), np.float32)
    x[1, ::7] = 3
    quantized = quantize(x, OperandScheme("int8", "per_channel", calibration=calibration))
    kernel = _judged(CALIBRATE, TensorProblem(x, quantized, 8.0), calibrations.calibration, monkeypatch, "")
    assert kernel.output().scale[0, 0] == 1


def test_channels_of_images(monkeypatch):
    problem = _problem(shape=(4, 3, 5, 5), axis=1, granularity="per_channel", calibration="ema_minmax:0.2,4")
    _judged(CALIBRATE, problem, calibrations.calibration, monkeypatch, "")


FORMATS = ["int8", "uint8", "int4", "uint4", "fp8_e4m3", "fp8_e5m2"]


@BACKENDS
@DTYPES
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:16", "per_block:2x16"])
@pytest.mark.parametrize("element", FORMATS)
def test_errors(element, granularity, dtype, backend, monkeypatch):
    problem = _problem(dtype, format=element, granularity=granularity, calibration="percentile:95")
    _judged(MEASURE, problem, ops.statistics, monkeypatch, backend)


def test_errors_under_zero_points_of_what_is_not_finite(monkeypatch):
    x = np.random.default_rng(3).standard_normal((4, 32), dtype=np.float32) * 3
    x[0, 3], x[1, 5], x[2] = np.nan, -np.inf, np.inf
    for symmetric in (True, False):
        scheme = OperandScheme("int8", "per_channel", symmetric, "percentile:90", narrow_range=True)
        problem = TensorProblem(x, quantize(x, scheme, non_finite="mask"), 8.0)
        _judged(MEASURE, problem, ops.statistics, monkeypatch, "")


def test_a_tensor_of_nothing_finite(monkeypatch):
    x = np.full((2, 16), np.nan, np.float32)
    problem = TensorProblem(x, quantize(x, OperandScheme("int8"), non_finite="mask"), 8.0)
    _judged(MEASURE, problem, ops.statistics, monkeypatch, "")


def test_rows_are_the_blocks_of_the_tiling():
    x = np.arange(2 * 6 * 8, dtype=np.float32).reshape(2, 6, 8)
    for block in ((2, 6, 8), (1, 6, 8), (1, 1, 4), (2, 3, 8), (1, 2, 4), (2, 6, 1)):
        tiling = Tiling(x.shape, block)
        (sums,) = tiling.map_blocks(x, lambda rows: ((rows * np.arange(1, rows.shape[1] + 1)).sum(axis=1),), (0.0,))
        found = ranges.rows(torch.from_numpy(x), Blocks.of(tiling)).numpy()
        assert np.array_equal((found * np.arange(1, found.shape[1] + 1)).sum(axis=1), sums.ravel())

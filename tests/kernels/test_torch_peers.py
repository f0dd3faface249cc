"""Which requests PyTorch's peers of calibration take."""

from __future__ import annotations

from typing import Any

import pytest
from example_suites import CUDA

from harness.kernels.spec import OperandPlan, Request
from harness.kernels.torch_peers.spec import calibrates, calibrates_compiled, calibrates_percentile, torch_calibrations
from harness.numerics.scheme import OperandScheme


def _request(shape: tuple[int, ...] = (64, 4096), **scheme: Any) -> Request:
    return {"tensor": OperandPlan(shape, OperandScheme(**scheme))}


REFUSED = {
    "least squares": (calibrates, _request(calibration="mse"), "has no operators that find mse"),
    "a given amplitude": (calibrates, _request(calibration="fixed:3"), "has no operators that find fixed"),
    "kl with zero points": (
        calibrates,
        _request(calibration="kl", symmetric=False),
        "takes kl of symmetric schemes only",
    ),
    "many histograms": (
        calibrates,
        _request((128, 4096), calibration="kl", granularity="per_channel"),
        "holds the divergences of all thresholds at once, of fewer blocks",
    ),
    "rounded twice": (
        calibrates_compiled,
        _request(calibration="ema_minmax"),
        "fuses a moving average's products into its sums, which rounds them once instead of twice",
    ),
    "no order statistic": (calibrates_percentile, _request(), "calibrates by percentile, not minmax"),
    "a dynamic range": (calibrates_percentile, _request(range="dynamic"), "calibrates by percentile, not minmax"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_refused_with_the_reason(label):
    takes, request, reason = REFUSED[label]
    assert takes(request, CUDA) == reason


def test_taken():
    for calibration in ("minmax", "ema_minmax", "percentile:99.9", "kl"):
        assert calibrates(_request(calibration=calibration), CUDA) is None
    assert calibrates_compiled(_request(calibration="percentile:99"), CUDA) is None
    assert [row.name for row in torch_calibrations()] == [
        "torch_eager",
        "torch_compile",
        "torch_kthvalue",
        "torch_sort",
    ]
    ragged = _request((64, 4097), granularity="per_group:32")
    assert {row.supports(ragged, CUDA) for row in torch_calibrations()} == {"takes blocks that are all of one size"}

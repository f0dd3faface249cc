"""A kernel that misbehaves costs its own case only: it gets the right status, and the next case a context that works."""

from __future__ import annotations

import time

import pytest
from cuda_faults import FAULTS

import harness
from harness.backends.cuda.datasheet import datasheet
from harness.plan import plan
from harness.record import Status
from harness.suite import load_suite
from harness.supervise import Supervisor

MEASURE = {"l2": "hot", "min_samples": 5, "min_time_s": 0.0, "max_time_s": 0.2}


def _suite(*kernels: str) -> dict[str, object]:
    return {
        "name": "cuda-faults",
        "op": "quantize",
        "shapes": [{"name": "s", "rows": 33, "cols": 128}],
        "matrix": {"kernel": list(kernels), "format": "int8", "granularity": "per_token"},
        "measure": MEASURE,
    }


@pytest.fixture(scope="module")
def cases(device):
    """Kernel → its case, of the faults and the sound kernels."""
    kernels = ("affine", "cuda_sound", *(fault.kernel for fault in FAULTS))
    return {case.kernel: case for case in plan(load_suite(_suite(*kernels)), device)}


@pytest.fixture(scope="module")
def supervisor(device, cases):
    """The faults come one after the other, as in one run. Peaks are measured beforehand, in a worker that has the time."""
    with Supervisor(device, case_timeout_s=300) as patient:
        assert patient.run(cases["affine"]).status is Status.OK
    with Supervisor(device, case_timeout_s=15) as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kernel)
def test_status_of_a_fault_and_the_case_after_it(fault, supervisor, cases):
    before = supervisor.run(cases["affine"])
    found = supervisor.run(cases[fault.kernel])
    after = supervisor.run(cases["cuda_sound"])
    assert found.status == fault.status, found.reason
    assert fault.words in found.reason
    assert found.timing is None
    for outcome in (before, after):
        assert outcome.status is Status.OK, outcome.reason
        assert outcome.metrics["code_mismatches"] == 0
    assert after.timing.time_s < 2 * before.timing.time_s, "timed as the case before the fault"


def test_an_endless_kernel_is_ended_within_its_timeout_and_ten_seconds(tmp_path):
    start = time.monotonic()
    frame = harness.run(_suite("cuda_endless"), device="cuda", out=tmp_path, case_timeout_s=8)
    assert frame["status"].tolist() == ["timeout"]
    assert time.monotonic() - start < 8 + 10 + 10, "the worker's start counts too"


def test_the_log_of_the_compiler_is_in_the_record(tmp_path):
    frame = harness.run(_suite("cuda_uncompilable"), device="cuda", out=tmp_path)
    assert "error" in frame["reason"][0]
    assert "this is no CUDA" in frame["reason"][0] or "undefined" in frame["reason"][0]


def test_a_launch_that_no_graph_can_hold_is_timed_alone(tmp_path):
    suite = _suite("cuda_sound", "cuda_asks", "cuda_waits", "cuda_allocates", "affine")
    frame = harness.run(suite, device="cuda", out=tmp_path).set_index("kernel")
    assert set(frame["status"]) == {"ok"}, frame["reason"].tolist()
    assert (frame["time_s"] > 0).all()
    assert (frame.loc[["cuda_sound", "affine"], "launches_per_sample"] > 1).all(), "these are short"
    assert (frame.loc[["cuda_asks", "cuda_waits"], "launches_per_sample"] == 1).all()


@pytest.mark.parametrize("l2", ["hot", "cold"])
def test_a_time_that_the_device_cannot_reach_is_an_error(l2, device, tmp_path):
    if datasheet(device.model) is None:
        pytest.skip(f"no data sheet of {device.model}")
    suite = {
        "name": "cuda-too-fast",
        "op": "gemm",
        "shapes": [{"name": "deep", "m": 1024, "n": 1024, "k": 8192}],
        "matrix": {"kernel": ["cublas_f16", "cuda_copies", "cublas_f32"]},
        "measure": {**MEASURE, "l2": l2},
    }
    frame = harness.run(suite, device="cuda", out=tmp_path).set_index("kernel")
    assert frame.loc["cuda_copies", "status"] == "runtime_error", frame.loc["cuda_copies", "reason"]
    assert frame.loc["cuda_copies", "reason"].startswith("time:")
    assert frame["time_s"].isna().to_dict() == {"cublas_f16": False, "cuda_copies": True, "cublas_f32": False}
    assert set(frame.loc[["cublas_f16", "cublas_f32"], "status"]) == {"ok"}

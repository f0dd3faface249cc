"""A kernel that misbehaves costs its own case only: it gets the right status, and the next case a context that works."""

from __future__ import annotations

import time

import pandas as pd
import pytest

import harness

FAULTS = {
    "cuda_illegal": ("runtime_error", "ILLEGAL_ADDRESS"),
    "cuda_endless": ("timeout", "--case-timeout"),
    "cuda_trap": ("runtime_error", "CUDA"),
    "cuda_nothing": ("inaccurate", "codes differ"),
    "cuda_uncompilable": ("compile_error", "cuda_broken.cu"),
    "cuda_greedy": ("out_of_memory", "memory"),
}


def _suite(*kernels: str) -> dict[str, object]:
    return {
        "name": "cuda-faults",
        "op": "quantize",
        "shapes": [{"name": "s", "rows": 33, "cols": 128}],
        "matrix": {"kernel": list(kernels), "format": "int8", "granularity": "per_token"},
        "measure": {"l2": "hot", "min_samples": 5, "max_time_s": 0.2},
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_status_of_a_fault_and_the_case_after_it(fault, tmp_path):
    status, words = FAULTS[fault]
    suite = _suite("affine", fault, "cuda_sound")
    frame = harness.run(suite, device="cuda", out=tmp_path, case_timeout_s=20).set_index("kernel")
    assert frame.loc[fault, "status"] == status, frame.loc[fault, "reason"]
    assert words in frame.loc[fault, "reason"]
    assert pd.isna(frame.loc[fault, "time_s"])
    for kernel in ("affine", "cuda_sound"):
        assert frame.loc[kernel, "status"] == "ok", frame.loc[kernel, "reason"]
        assert frame.loc[kernel, "code_mismatches"] == 0
    before, after = (frame.loc[kernel, "time_s"] for kernel in ("affine", "cuda_sound"))
    assert after < 2 * before, "the case after a fault is timed as the one before it"


def test_an_endless_kernel_is_ended_within_its_timeout_and_ten_seconds(tmp_path):
    start = time.monotonic()
    frame = harness.run(_suite("cuda_endless"), device="cuda", out=tmp_path, case_timeout_s=8)
    assert frame["status"].tolist() == ["timeout"]
    assert time.monotonic() - start < 8 + 10 + 10, "the worker's start counts too"


def test_the_log_of_the_compiler_is_in_the_record(tmp_path):
    frame = harness.run(_suite("cuda_uncompilable"), device="cuda", out=tmp_path)
    assert "error" in frame["reason"][0]
    assert "this is no CUDA" in frame["reason"][0] or "undefined" in frame["reason"][0]

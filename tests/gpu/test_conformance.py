"""Every CUDA kernel on the device that is here: conformance, repeatability, speed."""

from __future__ import annotations

import pandas as pd
import pytest

import harness
from harness.cores import CORES
from harness.verify import cuda_kernels, verify

ACCURACY = ["sqnr_db", "mse", "max_abs_error", "saturated_fraction", "worst_block_sqnr_db", "code_mismatches"]


def test_every_kernel_conforms():
    found = {(each.op, each.kernel): each for each in verify("auto", jobs=min(8, len(CORES)))}
    assert set(found) == {(spec.op, spec.name) for spec in cuda_kernels()}
    for each in found.values():
        assert each.as_expected, each.reason
        assert each.cases >= 50


def test_the_same_suite_twice_gives_the_same_codes(tmp_path):
    suite = {
        "name": "twice",
        "op": "quantize",
        "shapes": [{"name": "odd", "rows": 257, "cols": 1031}, {"name": "even", "rows": 512, "cols": 1024}],
        "matrix": {
            "kernel": "affine",
            "format": ["int8", "uint8", "int4"],
            "granularity": ["per_tensor", "per_token", "per_group:128"],
            "symmetric": [True, False],
        },
        "measure": {"min_samples": 3, "max_time_s": 0.1},
    }
    first, second = (harness.run(suite, device="cuda", out=tmp_path / str(run)) for run in (1, 2))
    assert set(first["status"]) == {"ok"}
    assert (first["code_mismatches"] == 0).all()
    pd.testing.assert_frame_equal(first[["case_id", *ACCURACY]], second[["case_id", *ACCURACY]], check_exact=True)


def test_statistics_are_the_same_bits_every_time(tmp_path):
    suite = {
        "name": "bits",
        "op": "statistics",
        "shapes": [{"name": "s", "rows": 1023, "cols": 4099}],
        "matrix": {"kernel": "affine", "format": "int8", "granularity": ["per_tensor", "per_token"]},
        "measure": {"min_samples": 3, "max_time_s": 0.1},
    }
    first, second = (harness.run(suite, device="cuda", out=tmp_path / str(run)) for run in (1, 2))
    columns = ["sqnr_db", "mse", "max_abs_error", "max_error_index", "signal_power", "rounding_mse", "clipping_mse"]
    columns += ["worst_block", "worst_block_mse", "code_entropy_bits", "codes_used"]
    pd.testing.assert_frame_equal(first[columns], second[columns], check_exact=True)


@pytest.mark.parametrize(("kernel", "scheme", "tops"), [("dp4a", "w8a8", 40), ("wmma_s8", "w8a8", 250)])
def test_products_are_as_fast_as_promised(kernel, scheme, tops, device, tmp_path):
    _only_on_hopper(device)
    suite = {
        "name": "speed",
        "op": "gemm",
        "shapes": [{"name": "square", "m": 4096, "n": 4096, "k": 4096}],
        "matrix": {"kernel": kernel, "scheme": scheme},
        "measure": {"min_samples": 30, "max_time_s": 1.0},
    }
    (row,) = harness.run(suite, device="cuda", out=tmp_path).to_dict("records")
    assert row["status"] == "ok", row["reason"]
    assert row["flops_per_s"] >= tops * 1e12


@pytest.mark.parametrize("op", ["quantize", "dequantize"])
def test_memory_bound_kernels_are_as_fast_as_promised(op, device, tmp_path):
    _only_on_hopper(device)
    suite = {
        "name": "speed",
        "op": op,
        "shapes": [{"name": "256MiB", "rows": 16384, "cols": 4096}],
        "matrix": {"kernel": "affine", "format": "int8"},
        "measure": {"min_samples": 50, "max_time_s": 1.0},
    }
    (row,) = harness.run(suite, device="cuda", out=tmp_path).to_dict("records")
    assert row["status"] == "ok", row["reason"]
    assert row["fraction_of_peak"] >= 0.80


def _only_on_hopper(device):
    if device.architecture != "sm_90a":
        pytest.skip(f"the figures are an H100's, this is {device.model}")

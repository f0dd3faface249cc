"""How long the spine takes: planning, quantizing, storing, reporting. Bounds are for two slow cores.

Each runs a few rounds only, so that these are part of every test run; ``pytest tests/benchmarks --benchmark-autosave``
keeps the figures for comparison.
"""

from __future__ import annotations

import numpy as np
import pytest

from harness.device import Device
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme, preset
from harness.plan import plan
from harness.record import COLUMNS
from harness.store import RunHeader, RunWriter, read_results, rows_to_frame
from harness.suite import load_suite

CPU = Device("cpu", "cpu", "benchmark", "x86_64", 64 << 30, frozenset({"vnni"}))


def _big_suite(shapes: int) -> dict:
    """2 formats × 5 granularities × 2 symmetries × 5 calibrations × 2 activations × 5 kernels = 1000 a shape."""
    return {
        "name": "big",
        "op": "gemm",
        "shapes": [{"name": f"s{index}", "m": 16, "n": 4096, "k": 4096 + 16 * index} for index in range(shapes)],
        "matrix": {
            "kernel": ["cublas_f16", "dp4a", "ort_matmul_integer", "ort_qlinear_matmul", "reference"],
            "weight.format": ["int8", "int4"],
            "weight.granularity": ["per_tensor", "per_channel", "per_group:32", "per_group:64", "per_group:128"],
            "weight.symmetric": [True, False],
            "weight.calibration": ["minmax", "percentile:99", "percentile:99.9", "mse", "kl"],
            "activation.format": ["int8"],
            "activation.granularity": ["per_tensor", "per_token"],
        },
        "exclude": [{"kernel": "cublas_f16"}],
    }


def test_plan_100_000_cases(benchmark):
    suite = load_suite(_big_suite(125))
    cases = benchmark.pedantic(plan, (suite, CPU), rounds=5)
    assert len(cases) == 100_000
    assert benchmark.stats.stats.min < 2


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4096, 4096), dtype=np.float32)


_INT8 = OperandScheme("int8")


@pytest.mark.parametrize(
    "scheme",
    [
        _INT8,
        OperandScheme("int8", "per_channel"),
        OperandScheme("int4", "per_group:128", symmetric=False),
        OperandScheme("fp8_e4m3", "per_block:128x128"),
        preset("mxfp4").weight,
        preset("nvfp4").weight,
        preset("nf4_b64").weight,
    ],
    ids=lambda scheme: scheme.label,
)
def test_quantize_4096(benchmark, matrix, scheme):
    benchmark.pedantic(quantize, (matrix, scheme), rounds=2, warmup_rounds=1)
    assert benchmark.stats.stats.min < 1


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
@pytest.mark.parametrize("calibration", ["mse", "kl"])
def test_calibrate_4096(benchmark, matrix, granularity, calibration):
    scheme = OperandScheme("int8", granularity, calibration=calibration)
    benchmark.pedantic(quantize, (matrix, scheme), rounds=1)
    assert benchmark.stats.stats.min < 20


def _rows(count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    base = dict.fromkeys(COLUMNS)
    base |= {"run_id": "r", "suite": "s", "op": "gemm", "backend": "cpu", "device": "cpu", "status": "ok", "seed": 0}
    schemes = ("w8a8", "w4a16_g128", "fp8_row", "mxfp4", "nvfp4")
    rows = []
    for index, (db, time_s) in enumerate(rng.random((count, 2)).tolist()):
        rows.append(
            base
            | {
                "case_id": f"c{index}",
                "case": f"gemm/k{index % 7}/s{index % 50}",
                "kernel": f"k{index % 7}",
                "kernel_role": "kernel",
                "scheme": schemes[index % 5],
                "shape_name": f"s{index % 50}",
                "data": "normal",
                "weight_format": ("int8", "int4", "fp8_e4m3")[index % 3],
                "weight_granularity": ("per_tensor", "per_channel")[index % 2],
                "weight_calibration": "minmax",
                "sqnr_db": 60 * db,
                "mse": db,
                "time_s": time_s / 1000,
                "speedup": 1 + time_s,
                "bits_per_element": 4.25,
                "m": 16,
                "n": 4096,
                "k": 4096,
            }
        )
    return rows


def test_write_and_read_100_000_records(benchmark, tmp_path_factory):
    rows = _rows(100_000)

    def round_trip() -> int:
        out = tmp_path_factory.mktemp("store")
        writer = RunWriter.create(out, RunHeader("r", "s", "cpu", (), None, "d", len(rows)))
        writer.rows.extend(rows)
        writer.publish(writer.rows)
        writer.close()
        return len(read_results([out]))

    assert benchmark.pedantic(round_trip, rounds=1) == 100_000
    assert benchmark.stats.stats.min < 20


def test_journal_10_000_records(benchmark, tmp_path_factory):
    rows = _rows(10_000)

    def append() -> None:
        out = tmp_path_factory.mktemp("journal")
        writer = RunWriter.create(out, RunHeader("r", "s", "cpu", (), None, "d", len(rows)))
        for row in rows:
            writer.append(row, [1e-3] * 10)
        writer.close()

    benchmark.pedantic(append, rounds=1)
    assert benchmark.stats.stats.min < 10


def test_page_of_10_000_records(benchmark, tmp_path):
    from harness.report.page import build_site

    frame = rows_to_frame(_rows(10_000))
    site = benchmark.pedantic(build_site, (frame, tmp_path / "site"), rounds=1)
    assert site.records == 10_000
    assert benchmark.stats.stats.min < 10

"""Small records with everything that the pages have to cope with."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

HOSTILE = "<img src=x onerror=alert(1)></script><!-- \u2028 %{x} <b>&amp;\"'"

_SCHEMES: tuple[tuple[str | None, str | None, str | None, float, float, float], ...] = (
    # scheme, weight format, granularity, SQNR, bits, speed-up
    (None, None, None, math.inf, math.nan, 1.0),
    ("w8a8", "int8", "per_channel", 38.0, 8.0, 1.8),
    ("w4a16_g128", "int4", "per_group:128", 20.0, 4.25, 2.5),
)


def _product(shape: str, m: int, scheme_row: tuple[Any, ...], calibration: str, data: str) -> dict[str, Any]:
    scheme, weight_format, granularity, sqnr, bits, speedup = scheme_row
    kernel = "wmma_s8" if scheme else "cublas_f16"
    gain = 1.0 if calibration == "mse" else 0.0
    return {
        "suite": "gemm", "run_id": "r1", "op": "gemm", "kernel": kernel, "backend": "cuda", "device": "H200",
        "case": f"gemm/{shape}/m={m}/{kernel}/{scheme}/{calibration}", "case_id": f"{shape}{m}{scheme}{calibration}",
        "status": "ok", "scheme": scheme, "shape_name": shape, "data": data, "m": m, "n": 64, "k": 128, "seed": 0,
        "weight_format": weight_format, "weight_granularity": granularity, "weight_symmetric": True,
        "weight_calibration": calibration if scheme else None, "sqnr_db": sqnr + gain,
        "worst_block_sqnr_db": sqnr - 3.0, "bits_per_element": bits, "time_s": m * 1e-6 / speedup,
        "time_p05_s": m * 0.9e-6 / speedup, "time_p95_s": m * 1.2e-6 / speedup, "speedup": speedup,
        "flops": 2.0 * m * 64 * 128, "moved_bytes": 64.0 * 128 + 192 * m, "flops_per_s": 1e12, "bytes_per_s": 1e11,
        "fraction_of_peak": 0.4, "bound": "memory",
        "driver": "570.1", "sm_clock_hz": 1.98e9,
    }  # fmt: skip


def _tensor(number_format: str, calibration: str, sqnr: float) -> dict[str, Any]:
    return {
        "suite": "quantize", "run_id": "r2", "op": "quantize", "kernel": "rowwise", "backend": "cuda", "device": "H200",
        "case": f"quantize/{number_format}/{calibration}", "case_id": f"{number_format}{calibration}", "status": "ok",
        "shape_name": "square", "data": "normal", "rows": 32, "cols": 32, "seed": 0, "format": number_format,
        "granularity": "per_tensor", "calibration": calibration, "sqnr_db": sqnr, "worst_block_sqnr_db": sqnr,
        "rounding_mse": 1e-3, "clipping_mse": 0.0 if calibration == "minmax" else 1e-4, "bits_per_element": 8.0,
        "time_s": 2e-6, "bytes_per_s": 1e12, "moved_bytes": 2e6,
    }  # fmt: skip


@pytest.fixture(scope="session")
def shared_records() -> pd.DataFrame:
    """The records, for tests that do not change them."""
    return _records()


@pytest.fixture
def records(shared_records: pd.DataFrame) -> pd.DataFrame:
    return shared_records.copy()


def _records() -> pd.DataFrame:
    """Products on two shapes and two kinds of data, one-tensor cases, and cases that failed."""
    rows = [
        _product(shape, m, scheme, calibration, data)
        for shape, data in (("qkv", "normal"), ("ffn", "model:minilm-l6/output"))
        for m in (1, 16)
        for scheme in _SCHEMES
        for calibration in (("minmax", "mse") if scheme[0] else ("minmax",))
    ]
    rows += [
        _tensor(name, calibration, sqnr)
        for name, sqnr in (("int8", 40.0), ("nf4", 20.0))
        for calibration in ("minmax", "percentile:99.9")
    ]
    skipped = {**rows[0], "status": "skipped", "reason": "needs a device", "case": "skipped", "case_id": "s"}
    crashed = {**rows[0], "status": "crashed", "reason": "SIGSEGV", "case": "crashed", "case_id": "c"}
    without = dict.fromkeys(("sqnr_db", "time_s", "time_p05_s", "time_p95_s", "speedup", "flops_per_s"))
    return pd.DataFrame([*rows, {**skipped, **without}, {**skipped, **without}, {**crashed, **without}])


@pytest.fixture(scope="session")
def hostile(shared_records: pd.DataFrame) -> pd.DataFrame:
    """The records with markup in every text."""
    records = shared_records.assign(reason=shared_records["reason"].fillna("slow"))
    texts = [name for name in records.columns if records[name].dtype.kind not in "fib" and name != "status"]
    changed = records.copy()
    for name in texts:
        known = changed[name].notna()
        changed[name] = changed[name].astype(object).where(~known, HOSTILE + changed[name].astype(str))
    return changed

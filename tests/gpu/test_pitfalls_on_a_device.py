"""The mistakes of parallel programming show on the device that is here, and the right forms beside them conform."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from harness.kernels import KERNELS

SUITE = Path(__file__).resolve().parents[2] / "suites" / "pitfalls.yaml"
ON_DEVICE = [spec.name for spec in KERNELS if spec.role == "pitfall" and spec.backend == "cuda"]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return harness.run(SUITE, device="cuda", out=tmp_path_factory.mktemp("pitfalls"))


@pytest.mark.parametrize("name", ON_DEVICE)
def test_every_case_is_inaccurate_and_loses_codes(name, records):
    own = records[records["kernel"] == name]
    assert len(own)
    assert set(own["status"]) == {"inaccurate"}, own[["case", "status", "reason"]].to_string()
    assert (own["code_mismatches"] > 0).all()
    assert own["sqnr_db"].notna().all()
    assert own["time_s"].isna().all()


def test_right_forms_conform(records):
    right = records[records["kernel_role"] != "pitfall"]
    assert set(right["status"]) == {"ok"}, right[["case", "status", "reason"]].to_string()
    assert set(right["backend"]) == {"cpu", "cuda"}

"""Nobody changes a CUDA kernel without running it: every kernel's current source has its evidence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.device import Device
from harness.errors import DeviceError, HarnessError
from harness.kernels.digest import source_digest
from harness.kernels.spec import KernelSpec
from harness.options import DEFAULT_EVIDENCE as EVIDENCE
from harness.plan import plan
from harness.suite import load_suite
from harness.verify import (
    Evidence,
    conformance_suite,
    cuda_kernels,
    evidence_of,
    read_evidence,
    update_evidence,
    verify,
)

ROOT = Path(__file__).resolve().parent.parent
HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)


# What cuBLAS computes is no source of this repository: a digest would say nothing of it. Every run checks it.
OWN = [spec for spec in cuda_kernels() if spec.cuda is not None]


@pytest.mark.parametrize("spec", OWN, ids=lambda spec: f"{spec.op}-{spec.name}")
def test_the_current_source_has_evidence(spec):
    rows = read_evidence(ROOT / EVIDENCE)
    own = rows[(rows["op"] == spec.op) & (rows["kernel"] == spec.name) & (rows["digest"] == source_digest(spec))]
    remedy = f"run `harness verify --kernel {spec.op}/{spec.name}` on a machine with a GPU, and commit {EVIDENCE}"
    assert len(own), f"{spec.op}/{spec.name} was changed since it was last run: {remedy}"
    for row in own.itertuples():
        assert row.cases >= 50
        assert (row.failed > 0) == (spec.role == "pitfall"), f"{row.reason}; {remedy}"


@pytest.mark.parametrize("op", sorted({spec.op for spec in cuda_kernels()}))
def test_conformance_cases_are_planned_to_run(op):
    cases = plan(load_suite(conformance_suite(op)), HOPPER)
    names = {spec.name for spec in cuda_kernels() if spec.op == op}
    running = [case for case in cases if case.skip is None]
    assert {case.kernel for case in running} == names
    assert [case.skip for case in cases if case.skip] == [], "conformance names what kernels support"
    for name in names:
        assert sum(case.kernel == name for case in running) >= 50


def test_conformance_covers_every_format_layout_type_and_symmetry():
    from harness.backends.cuda.ahead import specialisations

    for op in ("quantize", "dequantize", "fake_quantize", "statistics"):
        cases = [case for case in plan(load_suite(conformance_suite(op)), HOPPER) if case.kernel == "affine"]
        macros = [dict(each.macros) for each in specialisations(cases, HOPPER)]
        seen = {name: {each.get(name) for each in macros} for name in macros[0]}
        assert seen["VALUE"] == {"0", "1", "2"}
        assert seen["LAYOUT"] == {"0", "1", "2", "3"}
        assert seen["ASYMMETRIC"] == {"0", "1"}
        assert seen["ELEMENT"] == {"0", "1", "2", "3"}
        assert seen["SCALE"] == {"0", "1", "2", "3", "4"}
        assert seen["BITS"] == {"1", "2", "4", "6", "8"}
        assert seen["WIDTH"] >= {"0", "4", "8"}


def _row(kernel="affine", status="ok", mismatches=0, bound=None, reason=None):
    return {
        "kernel": kernel, "case": f"case of {kernel}", "status": status, "reason": reason,
        "code_mismatches": mismatches, "bound_used": bound,
    }  # fmt: skip


def _spec(role="kernel"):
    (spec,) = cuda_kernels(["quantize/affine"])
    return KernelSpec(spec.name, spec.op, "cuda", role, spec.entry, spec.doc, cuda=spec.cuda)


def test_evidence_sums_up_the_cases_of_its_kernel():
    rows = [_row(), _row(mismatches=3, status="inaccurate", reason="3 of 9"), _row(status="skipped"), _row("dp4a")]
    found = evidence_of(_spec(), rows, HOPPER)
    assert (found.cases, found.failed, found.worst_mismatches) == (2, 1, 3)
    assert found.reason == "case of affine: 3 of 9"
    assert found.digest == source_digest(_spec())
    assert not found.as_expected


@pytest.mark.parametrize(
    ("role", "statuses", "expected"),
    [
        ("kernel", ["ok", "ok"], True),
        ("kernel", ["ok", "inaccurate"], False),
        ("kernel", ["ok", "crashed"], False),
        ("kernel", ["skipped"], False),
        ("pitfall", ["ok", "inaccurate"], True),
        ("pitfall", ["ok", "ok"], False),
    ],
)
def test_what_passes(role, statuses, expected):
    rows = [_row(status=status) for status in statuses]
    assert evidence_of(_spec(role), rows, HOPPER).as_expected is expected


def test_newer_evidence_replaces_older_of_the_same_kernel_and_architecture(tmp_path):
    path = tmp_path / "deep" / "evidence.parquet"
    first = evidence_of(_spec(), [_row()], HOPPER)
    other = Evidence(**{**vars(first), "architecture": "sm_80", "cases": 7})
    update_evidence(path, [first, other])
    update_evidence(path, [Evidence(**{**vars(first), "cases": 9})])
    rows = read_evidence(path)
    assert dict(zip(rows["architecture"], rows["cases"], strict=True)) == {"sm_80": 7, "sm_90a": 9}
    assert [entry.name for entry in path.parent.iterdir()] == ["evidence.parquet"]


def test_no_file_is_no_evidence(tmp_path):
    assert isinstance(read_evidence(tmp_path / "none.parquet"), pd.DataFrame)
    assert read_evidence(tmp_path / "none.parquet").empty


def test_names_of_kernels_are_checked():
    assert [spec.name for spec in cuda_kernels(["dp4a"])] == ["dp4a"]
    assert {spec.op for spec in cuda_kernels(["affine"])} == {"quantize", "dequantize", "fake_quantize", "statistics"}
    with pytest.raises(HarnessError, match=r"--kernel: .* did you mean dp4a\?"):
        cuda_kernels(["dp4"])


def test_verify_needs_a_cuda_device():
    with pytest.raises(DeviceError, match="needs a CUDA device"):
        verify("cpu")

"""Faults of kernels become rows; the run goes on; interrupted runs are finished by --resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from fault_kernels import FAULTS

import harness
from harness.errors import HarnessError, StoreError, SuiteError
from harness.options import RunOptions
from harness.runner import run_suite
from harness.store import RunHeader, RunWriter, read_results


def _workers() -> set[int]:
    """Workers of this package that this test has started, by itself or through others; other tests may run beside it."""
    found = set()
    own = os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0].encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"harness.worker" in path.read_bytes() and own in path.with_name("environ").read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def test_each_fault_has_its_status_and_the_run_goes_on(fault_suite, tmp_path):
    kernels = [*(fault.kernel for fault in FAULTS), "good", "guarded"]
    frame = harness.run(fault_suite(*kernels), out=tmp_path, case_timeout_s=6).set_index("kernel")
    assert list(frame.index) == kernels
    for fault in FAULTS:
        row = frame.loc[fault.kernel]
        assert row["status"] == fault.status, row["reason"]
        assert fault.words in row["reason"]
        assert pd.isna(row["time_s"])
    assert set(frame.loc[["good", "guarded"], "status"]) == {"ok"}


def test_the_case_after_a_fault_is_right(fault_suite, tmp_path):
    suite = fault_suite("segfault", "good", "noisy", shapes=3)
    frame = harness.run(suite, out=tmp_path)
    assert frame.groupby("kernel")["status"].unique().map(list).to_dict() == {
        "segfault": ["crashed"],
        "good": ["ok"],
        "noisy": ["ok"],
    }


def test_timeout_is_kept(fault_suite, tmp_path):
    start = time.monotonic()
    harness.run(fault_suite("hang"), out=tmp_path, case_timeout_s=1)
    assert time.monotonic() - start < 11


def test_no_worker_outlives_a_run(fault_suite, tmp_path):
    seen: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            seen.update(_workers())

    watcher = threading.Thread(target=look)
    watcher.start()
    harness.run(fault_suite("hang", "good"), out=tmp_path, case_timeout_s=1)
    ended.set()
    watcher.join()
    assert seen, "this test would not see a worker that is there"
    assert not _workers()


def test_results_are_readable_and_complete(fault_suite, tmp_path):
    result = run_suite(fault_suite("good", "raises", shapes=2), RunOptions(out=tmp_path))
    assert result.complete
    frame = read_results([tmp_path])
    assert list(frame["case_id"]) == [row["case_id"] for row in result.rows]
    samples = pq.read_table(next(tmp_path.rglob("*.samples.parquet"))).to_pandas()
    assert samples.groupby("case_id").size().to_dict() == {
        row["case_id"]: row["samples"] for row in result.rows if row["status"] == "ok"
    }
    assert not list(tmp_path.rglob("*.journal.jsonl"))


def test_same_suite_twice_gives_the_same_accuracy(fault_suite, tmp_path):
    first, second = (harness.run(fault_suite("good"), out=tmp_path) for _ in range(2))
    columns = ["case_id", "sqnr_db", "mse", "max_abs_error", "cosine"]
    pd.testing.assert_frame_equal(first[columns], second[columns])
    assert first["run_id"][0] != second["run_id"][0]


def _script(suite: dict, out: Path, *arguments: str) -> list[str]:
    path = out.parent / "suite.yaml"
    path.write_text(yaml.safe_dump(suite))
    return [sys.executable, "-m", "harness", "run", str(path), "--out", str(out), *arguments]


def _wait_for_rows(out: Path, count: int, deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        journals = list(out.rglob("*.journal.jsonl"))
        if journals and journals[0].read_bytes().count(b"\n") > count:
            return
        time.sleep(0.02)
    raise AssertionError("the run never got so far")


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_a_killed_run_is_readable_and_resumes_without_gaps(fault_suite, tmp_path, rows):
    out = tmp_path / "out"
    suite = fault_suite("slow", "good", shapes=8)
    before = _workers()
    process = subprocess.Popen(_script(suite, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for_rows(out, rows)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = read_results([out])
    assert len(kept) >= rows
    for path in out.rglob("*.parquet"):
        pq.read_table(path)
    end = time.monotonic() + 5
    while not _workers() <= before and time.monotonic() < end:
        time.sleep(0.05)
    assert _workers() <= before, "the worker outlived its parent"

    done = subprocess.run(_script(suite, out, "--resume", "last", "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["complete"]
    assert summary["counts"] == {"ok": 16}
    frame = read_results([out])
    assert len(frame) == 16
    assert frame["case_id"].is_unique
    assert set(kept["case_id"]) <= set(frame["case_id"])
    assert frame["run_id"].nunique() == 1
    assert frame.set_index("case_id").loc[kept["case_id"], "started_at"].tolist() == kept["started_at"].tolist()


def test_ctrl_c_keeps_rows_and_says_how_to_resume(fault_suite, tmp_path):
    out = tmp_path / "out"
    suite = fault_suite("slow", shapes=30)
    process = subprocess.Popen(
        _script(suite, out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that is no terminal's starts what it puts in the background with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for_rows(out, 2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    kept = read_results([out])
    assert 2 <= len(kept) < 30
    run_id = kept["run_id"][0]
    assert f"--resume {run_id}" in stderr
    assert pq.read_table(next(p for p in out.rglob("*.parquet") if "samples" not in p.name)).num_rows == len(kept)
    resumed = harness.run(suite, out=out, resume=run_id)
    assert len(resumed) == 30
    assert (resumed["status"] == "ok").all()
    assert len(read_results([out])) == 30


def test_resume_refuses_another_gpu_of_the_same_name(fault_suite, tmp_path):
    """cuda:0 of one machine is not cuda:0 of another."""
    suite = fault_suite("good")
    header = RunHeader("20260101T000000Z-0001", suite["name"], "cpu", (), None, "digest", 1, "another model")
    RunWriter.create(tmp_path, header).close()
    with pytest.raises(StoreError, match=r"a run stays on its device \(got cpu, .*; run .* is on cpu, another model\)"):
        harness.run(suite, out=tmp_path, resume="last")


def test_resume_of_nothing_starts_afresh(fault_suite, tmp_path):
    assert len(harness.run(fault_suite("good"), out=tmp_path, resume="last")) == 1


def test_resume_of_a_complete_run_changes_nothing(fault_suite, tmp_path):
    first = harness.run(fault_suite("good"), out=tmp_path)
    again = harness.run(fault_suite("good"), out=tmp_path, resume="last")
    pd.testing.assert_frame_equal(first, again)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_resume_refuses_another_plan(fault_suite, tmp_path):
    harness.run(fault_suite("good"), out=tmp_path)
    with pytest.raises(StoreError, match="another plan"):
        harness.run(fault_suite("good", "slow"), out=tmp_path, resume="last")
    with pytest.raises(StoreError, match="keeps its selection"):
        harness.run(fault_suite("good"), out=tmp_path, resume="last", limit=1)
    with pytest.raises(StoreError, match="newest"):
        harness.run(fault_suite("good"), out=tmp_path, resume="20000101T000000Z-0000")


def test_limit_and_filter_are_rows(fault_suite, tmp_path):
    suite = fault_suite("good", "slow", shapes=3)
    assert len(harness.run(suite, out=tmp_path, limit=2)) == 2
    frame = harness.run(suite, out=tmp_path, filters=["kernel=go*", "shape=s[01]"])
    assert list(frame["kernel"]) == ["good", "good"]


def test_unknown_devices_are_refused(fault_suite, tmp_path):
    with pytest.raises(HarnessError, match="cuda:0"):
        harness.run(fault_suite("good"), out=tmp_path, device="cuda:0")
    with pytest.raises(HarnessError, match="did you mean cpu"):
        harness.run(fault_suite("good"), out=tmp_path, device="cpuu")


def test_a_refused_suite_writes_nothing(fault_suite, tmp_path):
    with pytest.raises(SuiteError):
        harness.run(fault_suite("nosuch"), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_models_are_skipped_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "empty"))
    suite = {
        "name": "absent",
        "op": "quantize",
        "shapes": [
            {"name": "real", "tensor": "model:minilm-l6/encoder.layer.0.output.dense"},
            {"name": "made", "rows": 2, "cols": 2},
        ],
        "matrix": {"kernel": "reference", "format": "int8"},
    }
    frame = harness.run(suite, out=tmp_path, offline=True).set_index("shape_name")
    assert frame.loc["real", "status"] == "skipped"
    assert "harness data pull" in frame.loc["real", "reason"]
    assert frame.loc["made", "status"] == "ok"


def test_non_finite_data_are_counted_and_said(tmp_path):
    import numpy as np

    values = np.ones((4, 8), np.float32)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "x.npy", values)
    suite = {
        "name": "nan",
        "op": "quantize",
        "shapes": [{"name": "x", "tensor": f"file:{tmp_path / 'x.npy'}"}],
        "matrix": {"kernel": ["ort_quantize_linear", "reference"], "format": "int8"},
    }
    frame = harness.run(suite, out=tmp_path)
    assert list(frame["status"]) == ["ok", "ok"]
    assert list(frame["nan_count"]) == [1, 1]
    assert list(frame["inf_count"]) == [2, 2]
    assert frame["reason"].str.contains("1 NaN and 2 Inf").all()


def test_a_folder_named_harness_does_not_take_the_package_s_place(fault_suite, tmp_path, monkeypatch):
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise ImportError('the wrong harness')")
    monkeypatch.chdir(tmp_path)
    assert list(harness.run(fault_suite("good"), out=tmp_path)["status"]) == ["ok"]

"""Speedups and best peers."""

from __future__ import annotations

from harness.derive import derive
from harness.record import COLUMNS


def _row(case_id, time_s, **more):
    base = dict.fromkeys(COLUMNS) | {"case_id": case_id, "status": "ok", "time_s": time_s, "kernel_role": "kernel"}
    return base | {"op": "gemm", "shape_name": "s", "kernel": case_id} | more


def test_speedup_is_against_the_named_baseline():
    rows = derive([_row("b", 4.0, baseline_case_id="b"), _row("x", 1.0, baseline_case_id="b")])
    assert [row["speedup"] for row in rows] == [1.0, 4.0]


def test_no_speed_without_a_timed_baseline():
    rows = derive([_row("b", None, status="skipped"), _row("x", 1.0, baseline_case_id="b"), _row("y", 1.0)])
    assert [row["speedup"] for row in rows] == [None, None, None]


def test_best_peer_of_the_same_problem():
    rows = derive(
        [
            _row("p1", 3.0, kernel_role="peer"),
            _row("p2", 2.0, kernel_role="peer"),
            _row("p3", 0.1, kernel_role="peer", shape_name="other"),
            _row("p4", 0.1, kernel_role="peer", dtype="f16"),
            _row("bad", 0.1, kernel_role="peer", status="inaccurate"),
            _row("x", 1.0),
        ]
    )
    assert rows[-1]["best_peer"] == "p2"
    assert rows[-1]["speedup_over_best_peer"] == 2.0


def test_rows_are_not_changed_in_place():
    row = _row("b", 4.0, baseline_case_id="b")
    derive([row])
    assert row["speedup"] is None

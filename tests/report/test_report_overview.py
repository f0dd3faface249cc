from __future__ import annotations

import pandas as pd

from harness.report.overview import BEST, Fact, ReasonCount, environment, overview
from harness.report.tidy import tidy


def test_statuses_and_reasons(records: pd.DataFrame) -> None:
    summary = overview(tidy(records))
    assert [(row.status, row.count) for row in summary.statuses] == [("ok", 24), ("skipped", 2), ("crashed", 1)]
    assert summary.reasons == (
        ReasonCount("skipped", "needs a device", 2),
        ReasonCount("crashed", "SIGSEGV", 1),
    )


def test_ok_is_counted_even_when_there_is_none() -> None:
    summary = overview(tidy(pd.DataFrame({"status": ["skipped", None, "odd"], "case": ["a", "b", "c"]})))
    assert [row.status for row in summary.statuses] == ["ok", "skipped", "odd", "–"]
    assert summary.best == ()


def test_best_schemes_leave_the_baseline_out(records: pd.DataFrame) -> None:
    table = next(table for table in overview(tidy(records)).best if table.title == "gemm")
    assert [row.scheme for row in table.by_accuracy] == ["w8a8", "w4a16_g128"]
    assert [row.scheme for row in table.by_speed] == ["w4a16_g128", "w8a8"]
    assert (table.by_accuracy[0].sqnr, table.by_accuracy[0].speed, table.by_accuracy[0].cases) == ("38.5 dB", "1.8×", 8)
    assert table.speed_title == "Speed-up"


def test_best_without_speedups_is_by_time(records: pd.DataFrame) -> None:
    table = next(table for table in overview(tidy(records)).best if table.title == "quantize")
    assert table.speed_title == "Time"
    assert len(table.by_speed) <= BEST
    assert table.by_speed[0].speed == "2.00 µs"


def test_environment_reads_units_ranges_and_dates() -> None:
    frame = tidy(
        pd.DataFrame(
            {
                "case": [str(i) for i in range(10)],
                "driver": ["570.1"] * 10,
                "sm_clock_hz": [1.98e9] * 10,
                "power_w": [float(i) for i in range(100, 110)],
                "started_at": [f"2026-11-{day:02}T00:00:00Z" for day in range(10, 20)],
                "digest": [f"d{i}" for i in range(10)],
                "nothing": [None] * 10,
            }
        )
    )
    facts = {fact.term: fact.values for fact in environment(frame)}
    assert facts == {
        "driver": ("570.1",),
        "sm clock": ("1.98 GHz",),
        "power": ("100 W to 109 W",),
        "started at": ("2026-11-10T00:00:00Z to 2026-11-19T00:00:00Z",),
        "digest": ("d0", "d1", "d2", "d3", "d4", "and 5 more"),
    }


def test_facts_of_what_is_unknown_are_dashes() -> None:
    facts = overview(tidy(pd.DataFrame({"case": ["a"]}))).facts
    assert Fact("Devices", ("–",)) in facts

"""What people see: the summary's tables letter by letter, progress on a terminal and elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fake_stopwatch import timing_of
from rich.console import Console

from harness.backends import find_device
from harness.cli.format import decibels, ratio, seconds, size
from harness.cli.progress import LineWatcher, LiveWatcher, watcher_for
from harness.cli.summary import machine_lines, show_summary, skip_lines
from harness.plan import plan
from harness.record import COLUMNS, Outcome, Status
from harness.runner import RunResult
from harness.suite import load_suite

SUMMARY = """\
Best schemes by SQNR (medians over shapes)
scheme  kernel     SQNR  bits    time  speedup  cases
w8a8    reference  31.0 dB  8.02    2 ms    0.50×      1
w8a8    fast       30.0 dB  8.02  250 µs    4.00×      2
[odd]   fast        7.5 dB  4.00  500 µs    2.00×      1

Best schemes by speed (medians over shapes)
scheme  kernel  SQNR  bits    time  speedup  cases
w8a8    fast    30.0 dB  8.02  250 µs    4.00×      2
[odd]   fast     7.5 dB  4.00  500 µs    2.00×      1

7 cases: 5 ok, 2 skipped
skipped: 1 for want of a backend (needs the cuda backend)
skipped: 1 because [bold]no[/bold]
results: results/x.parquet
"""


def _row(case_id, **values):
    return dict.fromkeys(COLUMNS) | {"case_id": case_id, "status": "ok"} | values


ROWS = (
    _row("b", kernel="base", sqnr_db=130.0, time_s=1e-3, speedup=1.0, bits_per_element=32.0),
    _row("1", scheme="w8a8", kernel="fast", sqnr_db=29.0, time_s=2e-4, speedup=5.0, bits_per_element=8.02),
    _row("2", scheme="w8a8", kernel="fast", sqnr_db=31.0, time_s=3e-4, speedup=3.0, bits_per_element=8.02),
    _row("3", scheme="w8a8", kernel="reference", sqnr_db=31.0, time_s=2e-3, speedup=0.5, bits_per_element=8.02),
    _row("4", scheme="[odd]", kernel="fast", sqnr_db=7.5, time_s=5e-4, speedup=2.0, bits_per_element=4.0),
    _row("5", status="skipped", reason="needs the cuda backend"),
    _row("6", status="skipped", reason="[bold]no[/bold]"),
)


def _squeezed(text: str) -> list[str]:
    """Lines with runs of blanks as one: column widths are rich's business."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_summary_letter_by_letter():
    console = Console(file=io.StringIO(), width=200, highlight=False)
    result = RunResult("r", "s", find_device("cpu"), Path("results/x.parquet"), ROWS, complete=True)
    show_summary(result, console)
    assert _squeezed(console.file.getvalue()) == _squeezed(SUMMARY)


def test_many_reasons_are_cut_short():
    rows = [{"status": "skipped", "reason": f"r{index}"} for index in range(8)]
    lines = skip_lines(rows)
    assert len(lines) == 6
    assert lines[-1] == "skipped: 3 for 3 more reasons; `harness plan` lists them"


def test_what_makes_times_less_certain_is_said():
    rows = [
        _row("1", case="a", time_s=1e-3, throttled_fraction=0.5, throttle_reasons="sw_power_cap", noise=0.01),
        _row("2", case="b", time_s=1e-3, throttled_fraction=0.1, throttle_reasons="sw_power_cap", noise=0.08),
        _row("3", case="c", time_s=1e-3, throttled_fraction=0.0, other_load=0.3, noise=0.25),
        _row("4", case="d", time_s=1e-3, noise=0.9, kernel_role="reference"),
        _row("5", case="e", status="skipped"),
    ]
    assert machine_lines(rows) == [
        "throttled: 2 cases by sw_power_cap",
        "loaded: other processes kept more than 10% of the cores busy during 1 cases",
        "noisy: 2 cases above 5%, the worst 25% (c)",
    ]
    assert machine_lines(rows[4:]) == []


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (seconds(1.5), "1.5 s"),
        (seconds(2.5e-5), "25 µs"),
        (seconds(0.0), "0 s"),
        (seconds(None), "–"),
        (seconds(float("nan")), "–"),
        (decibels(float("inf")), "exact"),
        (decibels(float("-inf")), "-∞ dB"),
        (decibels(-0.04), "-0.0 dB"),
        (ratio(1.005), "1.00×"),
        (size(512), "512 B"),
        (size(3 << 30), "3.0 GiB"),
    ],
)
def test_figures_as_people_read_them(shown, expected):
    assert shown == expected


def _case():
    suite = {
        "name": "p",
        "op": "quantize",
        "shapes": [{"name": "[red]s", "rows": 2, "cols": 2}],
        "matrix": {"kernel": "reference", "format": "int8"},
    }
    return plan(load_suite(suite), find_device("cpu"))[0]


OK = Outcome(Status.OK, metrics={"sqnr_db": 30.0}, timing=timing_of(1e-3))


@pytest.mark.parametrize("terminal", [False, True])
def test_watchers_show_cases_and_failures(terminal):
    console = Console(file=io.StringIO(), width=160, force_terminal=terminal, highlight=False)
    watcher = watcher_for(console)
    assert isinstance(watcher, LiveWatcher if terminal else LineWatcher)
    case = _case()
    watcher.begin(find_device("cpu"), 4, 1)
    watcher.say("a message")
    watcher.start(case)
    watcher.finish(case, OK)
    watcher.finish(case, Outcome(Status.SKIPPED, "never mind"))
    watcher.finish(case, Outcome(Status.CRASHED, "[bold]boom"))
    watcher.end()
    text = console.file.getvalue()
    assert "running on the CPU" in text
    assert "a message" in text
    assert "[bold]boom" in text
    assert "[red]s" in text
    assert "never mind" not in text
    assert "4/4" in text
    if not terminal:
        assert "[2/4] ok  quantize/reference/[red]s[2x2]/int8/per_tensor  30.0 dB  1 ms" in text
        assert "\x1b" not in text

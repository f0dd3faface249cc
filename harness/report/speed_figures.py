"""Figures about time: accuracy against speed, time and throughput by kernel and shape. Records come from ``tidy``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.report.columns import Kind
from harness.report.display import for_plotly, number
from harness.report.points import (
    KERNELS,
    SCHEMES,
    SQNR_TITLE,
    Front,
    Spread,
    at_most,
    decibel_lane,
    front_trace,
    medians_of,
    rounded,
    traces,
)
from harness.report.style import axis, category_axis, log_axis, plot
from harness.report.tidy import UNQUANTIZED, natural_key, present

SPEEDUP_TITLE = "Speed-up over the baseline (×), higher is better"
TIME_TITLE = "Time per call (s), shorter is better"
SHAPE_LIMIT = 60
LEVELS_DB = (10, 20, 30, 40)
"""Of SQNR, for which the fastest case is named: from what some models bear to what none notices."""


def accuracy_against_speed(records: pd.DataFrame) -> go.Figure:
    """One point per scheme and kernel over all its cases, with the Pareto front through these points.

    Speed-ups are averaged geometrically, being ratios; SQNR by its median, which an exact case does not carry off.
    """
    by_speedup = bool(present(records, ["sqnr_db", "speedup"]).any())
    speed = "speedup" if by_speedup else "time_s"
    cases = records[present(records, ["sqnr_db", speed]) & (records[speed] > 0)]
    means = geometric_means_of(cases, speed)
    single = at_most(cases)
    lane = decibel_lane(pd.concat([means["sqnr_db"], single.cases["sqnr_db"]]), SQNR_TITLE)
    above, behind = lane.positions[: len(means)], lane.positions[len(means) :]
    front = front_trace(means, means[speed], means["sqnr_db"], above, Front(larger_x_is_better=by_speedup))
    drawn = traces(means, rounded(means[speed]), above, SCHEMES)
    faint = traces(single.cases, rounded(single.cases[speed]), behind, SCHEMES, faint=True)
    title, unit = (SPEEDUP_TITLE, "×") if by_speedup else (TIME_TITLE, "s")
    return plot(
        [*faint, *drawn, front],
        x=log_axis(title, cases[speed], unit),
        y=lane.axis,
        height=460,
        notes=[
            "A large point is a scheme run by a kernel: the median SQNR and the geometric mean "
            f"{'speed-up' if by_speedup else 'time'} of its cases, which are the small points. Rings mark the Pareto "
            "front of the large points: nothing is both more accurate and faster.",
            single.note,
            lane.note,
        ],
    )


def geometric_means_of(cases: pd.DataFrame, speed: str) -> pd.DataFrame:
    """One row per scheme and kernel: the geometric mean of ``speed``, medians of everything else."""
    keys = ["scheme_label", "kernel"]
    logs = cases.assign(log_speed=np.log(cases[speed]))
    means = logs.groupby(keys, sort=True, dropna=False)["log_speed"].mean()
    return medians_of(cases, keys).assign(**{speed: np.exp(means.to_numpy())})


def accuracy_against_time(records: pd.DataFrame) -> go.Figure:
    """Every case of a shape: SQNR over time, with the Pareto front."""
    cases = records[present(records, ["sqnr_db", "time_s"])]
    shown = at_most(cases)
    everything = pd.concat([shown.cases["sqnr_db"], cases["sqnr_db"]])
    lane = decibel_lane(everything, SQNR_TITLE)
    front = front_trace(
        cases, cases["time_s"], cases["sqnr_db"], lane.positions[len(shown.cases) :], Front(larger_x_is_better=False)
    )
    drawn = traces(shown.cases, rounded(shown.cases["time_s"]), lane.positions[: len(shown.cases)], SCHEMES)
    notes = [*fastest_words(cases), shown.note, lane.note]
    return plot([*drawn, front], x=log_axis(TIME_TITLE, cases["time_s"], "s"), y=lane.axis, notes=notes)


def fastest_words(cases: pd.DataFrame) -> list[str]:
    """Which quantized case is fastest above each of ``LEVELS_DB``, a level whose answer is that of the one before left out; and
    the unquantized case, where it is faster than one of them."""
    quantized = cases[cases["scheme_label"] != UNQUANTIZED].sort_values("time_s", kind="stable")
    told: dict[str, float] = {}
    last: object = None
    for level in LEVELS_DB:
        good = quantized[quantized["sqnr_db"] >= level]
        if len(good) and good.index[0] != last:
            last = good.index[0]
            told[f"Fastest at {level} dB or more: {_in_words(good.iloc[0])}."] = float(good["time_s"].iloc[0])
    plain = cases[cases["scheme_label"] == UNQUANTIZED].sort_values("time_s", kind="stable")
    if len(plain) and float(plain["time_s"].iloc[0]) < max(told.values(), default=0.0):
        return [*told, f"For comparison: {_in_words(plain.iloc[0])}."]
    return list(told)


def _in_words(case: pd.Series) -> str:
    figures = f"{number(case['time_s'], Kind.SECONDS)}, {number(case['sqnr_db'], Kind.DECIBEL)}"
    return f"{case['scheme_label']} by {case['kernel']} ({figures})"


def time_by_kernel(records: pd.DataFrame) -> go.Figure:
    """The fastest case of every kernel on every shape, with the 5th and 95th percentile of its samples."""
    return _best_by_kernel(records, "time_s", TIME_TITLE, "s", larger_is_better=False)


def bandwidth(records: pd.DataFrame) -> go.Figure:
    """The highest rate of declared bytes of every kernel on every shape."""
    title = "Bytes per second (B/s), higher is better"
    return _best_by_kernel(records, "bytes_per_s", title, "B/s", larger_is_better=True)


def compute(records: pd.DataFrame) -> go.Figure:
    """The highest rate of arithmetic operations of every kernel on every shape."""
    title = "Operations per second (FLOP/s), higher is better"
    return _best_by_kernel(records, "flops_per_s", title, "FLOP/s", larger_is_better=True)


def share_of_peak(records: pd.DataFrame) -> go.Figure:
    """How much of what the device can do at best each kernel reaches on every shape."""
    title = "Share of the device's peak (%), higher is better"
    return _best_by_kernel(records, "fraction_of_peak", title, "%", larger_is_better=True)


def _best_by_kernel(records: pd.DataFrame, column: str, title: str, unit: str, *, larger_is_better: bool) -> go.Figure:
    cases = records[present(records, [column])]
    order = cases[column].sort_values(ascending=not larger_is_better, kind="stable").index
    best = cases.loc[order].drop_duplicates(["kernel", "shape_label"]).sort_index()
    shapes = sorted(best["shape_label"].unique(), key=natural_key)
    kept = shapes[:SHAPE_LIMIT]
    best = best[best["shape_label"].isin(kept)]
    labels = [for_plotly(name) for name in best["shape_label"]]
    spread = _spread(best) if column == "time_s" else None
    drawn = traces(best, rounded(best[column]), labels, KERNELS, spread=spread)
    left_out = f"The first {SHAPE_LIMIT} of {len(shapes)} shapes are drawn." if len(kept) < len(shapes) else ""
    share = axis(title, tickformat=".0%", rangemode="tozero")
    x = share if unit == "%" else log_axis(title, best[column], unit)
    height = max(220, 60 + 34 * len(kept))
    return plot(drawn, x=x, y=category_axis(kept), height=height, notes=[left_out], rows=True)


def _spread(cases: pd.DataFrame) -> Spread:
    """From the 5th to the 95th percentile of the timing samples."""
    return Spread(
        above=rounded(cases["time_p95_s"] - cases["time_s"]),
        below=rounded(cases["time_s"] - cases["time_p05_s"]),
    )

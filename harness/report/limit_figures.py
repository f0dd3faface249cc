"""Figures about limits: roofline, rate by size, speed-up by shape and kernel, clocks. Records come from ``tidy``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.backends.cuda.datasheet import DataSheet, datasheet
from harness.report.columns import Kind
from harness.report.display import for_plotly, number, shortened, with_prefix
from harness.report.points import KERNELS, NAME_LENGTH, at_most, rounded, traces
from harness.report.style import NEUTRAL, PALETTE, axis, category_axis, log_axis, plot
from harness.report.tidy import natural_key, present

SHAPE_LIMIT = 60
KERNEL_LIMIT = 24
_SAME_CEILING = 0.02
"""Rates of one ceiling, found from several cases, differ by rounding; those of two arithmetics by much more."""
ROOFLINE_X = "Operations per byte moved (FLOP/B)"
_NO_SHEET = "The data sheet of this device is not known."


def ceilings(cases: pd.DataFrame, bound: str, rate: str) -> list[float]:
    """The measured peaks that ``cases`` were scored against, ascending: a rate over its share of the peak gives it back."""
    bounded = cases[
        (cases["bound"] == bound) & present(cases, [rate, "fraction_of_peak"]) & (cases["fraction_of_peak"] > 0)
    ]
    found: list[float] = []
    for peak in sorted((bounded[rate] / bounded["fraction_of_peak"]).to_numpy(dtype=float).tolist()):
        if not found or peak > found[-1] * (1 + _SAME_CEILING):
            found.append(peak)
    return found


def roofline(records: pd.DataFrame) -> go.Figure:
    """Operations a second over operations a byte, below the memory's slope and the arithmetic's roofs.

    Source: Williams, Waterman and Patterson, Roofline, CACM 52(4), 2009.
    """
    cases = records[present(records, ["flops", "moved_bytes", "flops_per_s"]) & (records["flops"] > 0)]
    cases = cases[cases["moved_bytes"] > 0]
    intensity = cases["flops"] / cases["moved_bytes"]
    shown = at_most(cases.assign(intensity=intensity))
    ends = (float(intensity.min()) / 2, float(intensity.max()) * 2)
    copies, roofs = ceilings(records, "memory", "bytes_per_s"), ceilings(records, "compute", "flops_per_s")
    sheet = datasheet(str(records["device_label"].iloc[0]))
    drawn = [
        *_roofs(ends, copies, roofs, "measured", "solid"),
        *(
            _roofs(
                ends,
                [sheet.memory_bytes_per_s],
                _sheet_roofs(sheet, roofs or [*cases["flops_per_s"]]),
                "data sheet",
                "dot",
            )
            if sheet
            else []
        ),
        *traces(shown.cases, rounded(shown.cases["intensity"]), rounded(shown.cases["flops_per_s"]), KERNELS),
    ]
    tops = [*cases["flops_per_s"], *roofs]
    return plot(
        drawn,
        x=log_axis(ROOFLINE_X, [*intensity, *ends], ""),
        y=log_axis("Operations per second (FLOP/s), higher is better", tops, "FLOP/s"),
        height=460,
        notes=[
            "Slopes are memory bandwidth, roofs are rates of arithmetic. A case under the slope is bound by memory, one under "
            "a roof by arithmetic.",
            "" if copies or roofs else "No measured peak is known: run `harness doctor --peaks`, then the suite again.",
            "" if sheet else _NO_SHEET,
            shown.note,
        ],
    )


def _sheet_roofs(sheet: DataSheet, measured: list[float]) -> list[float]:
    """Of the sheet's rates the next above each measured roof: the arithmetic that the roof is of. Without measured ones, above
    each case: what it could be bound by."""
    rates = sorted(set(sheet.rates.values()))
    return sorted(
        {next((rate for rate in rates if rate >= roof * (1 - _SAME_CEILING)), rates[-1]) for roof in measured}
    )


def _roofs(
    ends: tuple[float, float], copies: list[float], roofs: list[float], source: str, dash: str
) -> list[dict[str, Any]]:
    low, high = ends
    line = {"type": "scatter", "mode": "lines", "line": {"color": NEUTRAL, "width": 1.5, "dash": dash}}
    made = []
    for copy in copies:
        x = [low, min(high, max(low * 1.001, roofs[-1] / copy))] if roofs else [low, high]
        label = f"{source}: {with_prefix(copy, 'B/s')}"
        made.append(
            {
                **line,
                "name": label,
                "x": x,
                "y": [copy * each for each in x],
                "hovertemplate": label + "<extra></extra>",
            }
        )
    for roof in roofs:
        start = min(high, max(low, roof / copies[-1])) if copies else low
        label = f"{source}: {with_prefix(roof, 'FLOP/s')}"
        made.append(
            {**line, "name": label, "x": [start, high], "y": [roof, roof], "hovertemplate": label + "<extra></extra>"}
        )
    return [
        {**each, "x": rounded(pd.Series(each["x"])), "y": rounded(pd.Series(each["y"])), "meta": {"glyph": "─"}}
        for each in made
    ]


def size_sweep(records: pd.DataFrame) -> go.Figure:
    """Bytes a second over the bytes that a case moves: where launches bind, where the cache, where memory."""
    cases = records[present(records, ["bytes_per_s", "moved_bytes"]) & (records["moved_bytes"] > 0)]
    shown = at_most(cases)
    copies = ceilings(records, "memory", "bytes_per_s")
    sheet = datasheet(str(records["device_label"].iloc[0]))
    ends = [float(cases["moved_bytes"].min()), float(cases["moved_bytes"].max())]
    lines = [(copy, "measured copy", "solid") for copy in copies]
    lines += [(sheet.memory_bytes_per_s, "data sheet", "dot")] if sheet else []
    levels = [_level(ends, rate, label, dash) for rate, label, dash in lines]
    return plot(
        [
            *levels,
            *traces(shown.cases, rounded(shown.cases["moved_bytes"]), rounded(shown.cases["bytes_per_s"]), KERNELS),
        ],
        x=log_axis("Bytes moved by a call (B)", ends, "B"),
        y=log_axis("Bytes per second (B/s), higher is better", [*cases["bytes_per_s"], *copies], "B/s"),
        notes=[shown.note, "" if sheet else _NO_SHEET],
    )


def _level(ends: list[float], rate: float, label: str, dash: str) -> dict[str, Any]:
    name = f"{label}: {with_prefix(rate, 'B/s')}"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": ends,
        "y": [rate, rate],
        "line": {"color": NEUTRAL, "width": 1.5, "dash": dash},
        "hovertemplate": name + "<extra></extra>",
        "meta": {"glyph": "─"},
    }


def speedup_by_shape(records: pd.DataFrame) -> go.Figure:
    """The best speed-up of every kernel on every shape; orange is slower than the baseline, blue faster."""
    cases = records[present(records, ["speedup"]) & (records["speedup"] > 0)]
    best = cases.groupby(["shape_label", "kernel"])["speedup"].max().unstack()
    shapes = sorted(best.index, key=natural_key)[:SHAPE_LIMIT]
    counts = best.notna().sum().to_dict()
    kernels = sorted(best.columns, key=lambda name: (-counts[name], natural_key(name)))[:KERNEL_LIMIT]
    best = best.loc[shapes, sorted(kernels, key=natural_key)]
    left_out = f"Drawn: {len(shapes)} of {cases['shape_label'].nunique()} shapes, {len(kernels)} of {cases['kernel'].nunique()} kernels."
    whole = len(shapes) == cases["shape_label"].nunique() and len(kernels) == cases["kernel"].nunique()
    return plot(
        [_ratio_map(best)],
        x=axis("Kernel", type="category", showgrid=False, tickangle=-35 if len(kernels) > 4 else 0),
        y=category_axis(shapes, showgrid=False),
        height=max(220, 110 + 30 * len(shapes)),
        notes=["" if whole else left_out],
    )


def _ratio_map(best: pd.DataFrame) -> dict[str, Any]:
    values = best.to_numpy(dtype=float)
    logs = np.log2(values)
    reach = max(1.0, float(np.nanmax(np.abs(logs))))
    ticks = [tick for tick in range(-math.floor(reach), math.floor(reach) + 1) if reach <= 4 or tick % 2 == 0]
    return {
        "type": "heatmap",
        "x": [for_plotly(shortened(str(name), NAME_LENGTH)) for name in best.columns],
        "y": [for_plotly(str(name)) for name in best.index],
        "z": [rounded(pd.Series(row)) for row in logs],
        "text": [["" if np.isnan(value) else number(value, Kind.RATIO) for value in row] for row in values],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}<br>%{x}<br>best speed-up %{text}<extra></extra>",
        "zmin": -reach,
        "zmax": reach,
        # Two hues that the colour-blind tell apart, equally light in the middle: 1x is neither.
        "colorscale": [[0, PALETTE[1]], [0.5, "#f2f6fa"], [1, PALETTE[4]]],
        "textfont": {"color": "#14171b"},
        "xgap": 2,
        "ygap": 2,
        "colorbar": {
            "title": {"text": "best speed-up (×)", "side": "top"},
            "orientation": "h",
            "thickness": 10,
            "y": 1.0,
            "outlinewidth": 0,
            "tickvals": ticks,
            "ticktext": [f"{2.0**tick:g}" for tick in ticks],
        },
    }


def clocks(records: pd.DataFrame) -> go.Figure:
    """The multiprocessors' clock that was held while a case was timed, over its time; throttled cases apart."""
    cases = records[present(records, ["sm_clock_hz", "time_s"]) & (records["time_s"] > 0)]
    shown = at_most(cases).cases
    throttled = shown["throttled_fraction"].fillna(0).to_numpy(dtype=float) > 0
    times, held = rounded(shown["time_s"]), rounded(shown["sm_clock_hz"] / 1e9)
    drawn = traces(shown, times, held, KERNELS)
    marks = np.flatnonzero(throttled)
    if len(marks):
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "throttled",
                "x": [times[i] for i in marks],
                "y": [held[i] for i in marks],
                "marker": {"symbol": "circle-open", "size": 16, "color": NEUTRAL, "line": {"width": 2}},
                "hoverinfo": "skip",
                "meta": {"glyph": "◯"},
            }
        )
    share = f"{len(marks):,} of {len(shown):,} cases drawn were throttled in part of their samples (rings)."
    return plot(
        drawn,
        x=log_axis("Time per call (s)", cases["time_s"], "s"),
        y=axis("Multiprocessor clock held (GHz)"),
        notes=[share, at_most(cases).note],
    )

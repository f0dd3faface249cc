"""Figures about error: by format, granularity, calibration, block and data. Records come from ``tidy``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.report.columns import Kind
from harness.report.display import for_plotly, number, shortened
from harness.report.points import (
    NAME_LENGTH,
    SCHEMES,
    SQNR_TITLE,
    Front,
    at_most,
    decibel_lane,
    front_trace,
    medians_of,
    rounded,
    traces,
)
from harness.report.style import NEUTRAL, PALETTE, Look, axis, category_axis, look, plot
from harness.report.tidy import natural_key, present

BAR_LIMIT = 40

# From one scale for everything to many small blocks; names not listed follow in natural order.
_GRANULARITY_ORDER = ("per_tensor", "per_channel", "per_token", "per_block", "per_group")


def _granularity_key(name: str) -> tuple[Any, ...]:
    family, _, size = name.partition(":")
    place = _GRANULARITY_ORDER.index(family) if family in _GRANULARITY_ORDER else len(_GRANULARITY_ORDER)
    # Larger blocks are coarser and come first.
    return place, -int(size) if size.isdecimal() else 0, natural_key(name)


def error_by_format(records: pd.DataFrame) -> go.Figure:
    """Median SQNR by format (best on top) and granularity (coarse to fine)."""
    cases = records[present(records, ["sqnr_db", "operand_format", "operand_granularity"])]
    groups = cases.groupby(["operand_format", "operand_granularity"])["sqnr_db"]
    medians, counts = groups.median().unstack(), groups.size().unstack()
    best = medians.max(axis=1)
    rows = sorted(medians.index, key=lambda name: (-best[name], natural_key(name)))
    columns = sorted(medians.columns, key=_granularity_key)
    heat = _heatmap(medians.loc[rows, columns], counts.loc[rows, columns])
    x = axis("Granularity, coarse to fine", type="category", showgrid=False)
    y = category_axis(rows, showgrid=False)
    return plot([heat], x=x, y=y, height=max(200, 90 + 34 * len(rows)), notes=[_exact_note(cases)])


def _heatmap(medians: pd.DataFrame, counts: pd.DataFrame) -> dict[str, Any]:
    values = medians.to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    # An exact median gets the colour of the best finite one; its text says ∞.
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    colored = np.clip(values, low, high)
    return {
        "type": "heatmap",
        "x": [for_plotly(str(name)) for name in medians.columns],
        "y": [for_plotly(str(name)) for name in medians.index],
        "z": [rounded(pd.Series(row)) for row in colored],
        "text": [["" if np.isnan(value) else _bare_decibel(value) for value in row] for row in values],
        "customdata": [rounded(pd.Series(row)) for row in counts.to_numpy(dtype=float)],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}, %{x}<br>median SQNR %{text} dB of %{customdata} cases<extra></extra>",
        # One hue, light enough for dark figures on every cell in both colour schemes.
        "colorscale": [[0, "#f2f6fa"], [1, PALETTE[4]]],
        "textfont": {"color": "#14171b"},
        "xgap": 2,
        "ygap": 2,
        "colorbar": {
            "title": {"text": "median SQNR (dB)", "side": "top"},
            "orientation": "h",
            "thickness": 10,
            "y": 1.0,
            "outlinewidth": 0,
        },
    }


def _bare_decibel(value: float) -> str:
    return number(value, Kind.DECIBEL).removesuffix(" dB")


def _exact_note(cases: pd.DataFrame) -> str:
    exact = int(np.isposinf(cases["sqnr_db"].to_numpy(dtype=float)).sum())
    return f"{exact:,} exact cases (SQNR ∞) take part in the medians." if exact else ""


def calibration(records: pd.DataFrame) -> go.Figure:
    """Spread of SQNR over the cases of every format, one box a calibration."""
    cases = records[present(records, ["sqnr_db", "operand_format", "operand_calibration"])]
    finite = cases[np.isfinite(cases["sqnr_db"])]
    return _boxes(finite, "sqnr_db", SQNR_TITLE, _left_out_note(len(cases) - len(finite)))


def _left_out_note(count: int) -> str:
    return f"{count:,} cases with an infinite SQNR are not drawn." if count else ""


# What two cases must share to differ in calibration alone. The scheme's name is not among them: it may spell out the
# calibration, and its axes are.
SAME_CASE = (
    "suite", "op", "kernel", "device_label", "shape_label", "data", "seed",
    *(
        prefix + name
        for prefix in ("weight_", "activation_", "")
        for name in ("format", "granularity", "symmetric", "scale_format", "narrow_range", "range")
    ),
)  # fmt: skip
PAIRING_COLUMNS = (*SAME_CASE, "weight_calibration", "activation_calibration")


def calibration_gain(records: pd.DataFrame) -> go.Figure:
    """SQNR over that of the same case calibrated by ``minmax``, so that calibration alone differs."""
    pairs = paired_with_minmax(records)
    gains = pairs.assign(gain_db=pairs["sqnr_db"] - pairs["minmax_db"])
    return _boxes(gains, "gain_db", "SQNR gained over minmax (dB), higher is better", "")


def paired_with_minmax(records: pd.DataFrame) -> pd.DataFrame:
    """The cases of another calibration than ``minmax`` whose like was also run with it: ``minmax_db`` is its SQNR."""
    cases = records[present(records, ["sqnr_db", "operand_format", "operand_calibration"])]
    cases = cases[np.isfinite(cases["sqnr_db"])]
    others = cases["activation_calibration"].where(cases["weight_calibration"].notna(), None)
    same = cases.assign(other_calibration=others).groupby([*SAME_CASE, "other_calibration"], dropna=False).ngroup()
    by_minmax = cases["operand_calibration"] == "minmax"
    reference = cases.loc[by_minmax, "sqnr_db"].groupby(same[by_minmax]).median()
    paired = cases.assign(minmax_db=same.map(reference))
    kept: pd.DataFrame = paired[~by_minmax & paired["minmax_db"].notna()]
    return kept


def _boxes(cases: pd.DataFrame, column: str, title: str, note: str) -> go.Figure:
    """Boxes from quantiles computed here, so that a page does not carry every value."""
    groups = cases.groupby(["operand_calibration", "operand_format"])[column]
    quantiles = groups.quantile(np.array([0.05, 0.25, 0.5, 0.75, 0.95])).unstack()
    formats = sorted(cases["operand_format"].unique(), key=natural_key)
    drawn = []
    ranks = cases.groupby("operand_calibration")["calibration_rank"].first()
    for name in sorted(ranks.index, key=natural_key):
        color = look(int(ranks[name])).color
        rows = quantiles.loc[name]
        drawn.append(
            {
                "type": "box",
                "name": for_plotly(shortened(name, NAME_LENGTH)),
                "x": [for_plotly(text) for text in rows.index],
                **{
                    field: rounded(rows[quantile])
                    for field, quantile in zip(
                        ("lowerfence", "q1", "median", "q3", "upperfence"), rows.columns, strict=True
                    )
                },
                "line": {"color": color, "width": 1.5},
                "fillcolor": color + "55",
                "meta": {"glyph": "■"},
            }
        )
    x = axis("Format", type="category", categoryorder="array", categoryarray=[for_plotly(name) for name in formats])
    return plot(drawn, x=x, y=axis(title), notes=[note], boxmode="group")


def error_split(records: pd.DataFrame) -> go.Figure:
    """Shares of rounding and clipping in the mean squared error, by format and calibration."""
    cases = records[present(records, ["rounding_mse", "clipping_mse", "operand_format"])]
    total = cases["rounding_mse"] + cases["clipping_mse"]
    cases = cases.assign(clipped=cases["clipping_mse"] / total.where(total > 0))
    cases = cases[cases["clipped"].notna()]
    names = cases["operand_format"] + " " + cases["operand_calibration"].fillna("")
    shares = cases.groupby(names.str.strip())["clipped"].agg(["median", "size"])
    order = sorted(shares.index, key=lambda name: (shares.loc[name, "median"], natural_key(name)))
    shown = shares.loc[order[-BAR_LIMIT:]]
    labels = [for_plotly(name) for name in shown.index]
    counts = [f"{size:,} cases" for size in shown["size"]]
    bars = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": labels,
            "x": rounded(share),
            "customdata": counts,
            "hovertemplate": f"%{{y}}<br>{name} %{{x:.1%}} of the error, median of %{{customdata}}<extra></extra>",
            "marker": {"color": color},
            "meta": {"glyph": "■"},
        }
        for name, color, share in (
            ("rounding", PALETTE[4], 1 - shown["median"]),
            ("clipping", PALETTE[5], shown["median"]),
        )
    ]
    note = (
        f"The {BAR_LIMIT} combinations of {len(shares)} with most clipping are drawn."
        if len(shares) > BAR_LIMIT
        else ""
    )
    x = axis("Share of the mean squared error (%)", tickformat=".0%", range=[0, 1])
    height = max(200, 60 + 30 * len(labels))
    return plot(
        bars,
        x=x,
        y=category_axis(list(shown.index)),
        height=height,
        notes=[note],
        rows=True,
        barmode="stack",
        bargap=0.25,
    )


def worst_block(records: pd.DataFrame) -> go.Figure:
    """SQNR of the worst block against that of the whole output; the dotted line is where they are equal."""
    cases = records[present(records, ["sqnr_db", "worst_block_sqnr_db"])]
    shown = at_most(cases)
    x = decibel_lane(shown.cases["sqnr_db"], "SQNR of the whole output (dB)")
    y = decibel_lane(shown.cases["worst_block_sqnr_db"], "SQNR of the worst block (dB)")
    drawn = traces(shown.cases, x.positions, y.positions, SCHEMES)
    ends = [value for value in [*x.positions, *y.positions] if value is not None]
    equal = {
        "type": "scatter",
        "mode": "lines",
        "name": "equal",
        "meta": {"glyph": "┈"},
        "x": [min(ends), max(ends)],
        "y": [min(ends), max(ends)],
        "line": {"color": NEUTRAL, "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
    }
    return plot([equal, *drawn], x=x.axis, y=y.axis, height=460, notes=[shown.note, x.note or y.note])


def accuracy_against_bits(records: pd.DataFrame) -> go.Figure:
    """SQNR over the bits that an element takes in memory, scales counted, with the Pareto front.

    One point per scheme and calibration: the medians of its cases, since the front of single cases would be that of the
    easiest tensors.
    """
    cases = records[present(records, ["sqnr_db", "bits_per_element"])]
    filled = cases.assign(operand_calibration=cases["operand_calibration"].fillna(""))
    medians = medians_of(filled, ["scheme_label", "operand_calibration"])
    lane = decibel_lane(medians["sqnr_db"], SQNR_TITLE)
    bits = medians["bits_per_element"]
    staircase = front_trace(medians, bits, medians["sqnr_db"], lane.positions, Front(larger_x_is_better=False))
    drawn = traces(medians, rounded(bits), lane.positions, SCHEMES)
    note = "A point is a scheme with a calibration: the medians of its cases."
    x = axis("Bits per element with scales, fewer is better")
    return plot([*drawn, staircase], x=x, y=lane.axis, height=460, notes=[note, lane.note])


def synthetic_against_real(records: pd.DataFrame) -> go.Figure:
    """Median SQNR of every scheme on synthetic and on real tensors, bars from the 10th to the 90th percentile."""
    cases = records[present(records, ["sqnr_db", "data"])]
    both = cases.groupby("scheme_label")["real"].nunique()
    names = sorted(both.index[both == 2], key=natural_key)
    cases = cases[cases["scheme_label"].isin(names)]
    finite = cases[np.isfinite(cases["sqnr_db"])]
    left_out = _left_out_note(len(cases) - len(finite))
    shown = names[:BAR_LIMIT]
    drawn = [
        _medians_with_spread(finite[finite["real"] == real], shown, title, its_look)
        for real, title, its_look in (
            (False, "synthetic tensors", Look(PALETTE[0], "circle", "●")),
            (True, "real tensors", Look(PALETTE[1], "diamond", "◆")),
        )
    ]
    note = f"The first {BAR_LIMIT} of {len(names)} schemes are drawn." if len(names) > BAR_LIMIT else ""
    height = max(200, 60 + 30 * len(shown))
    return plot(drawn, x=axis(SQNR_TITLE), y=category_axis(shown), height=height, notes=[left_out, note], rows=True)


def _medians_with_spread(cases: pd.DataFrame, names: list[str], title: str, its_look: Look) -> dict[str, Any]:
    groups = cases.groupby("scheme_label")["sqnr_db"]
    low, middle, high = (groups.quantile(share).reindex(names) for share in (0.1, 0.5, 0.9))
    counts = groups.size().reindex(names)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "x": rounded(middle),
        "y": [for_plotly(name) for name in names],
        "customdata": [f"{size:,} cases" for size in counts],
        "hovertemplate": f"%{{y}}<br>{title}: median %{{x:.1f}} dB, %{{customdata}}<extra></extra>",
        "marker": its_look.marker,
        "meta": {"glyph": its_look.glyph},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": rounded(high - middle),
            "arrayminus": rounded(middle - low),
            "color": its_look.color,
            "thickness": 1.5,
            "width": 4,
        },
    }

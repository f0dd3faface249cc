"""Points of cases: hovers, one trace a scheme or kernel, the Pareto front, and room for infinite SQNR."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.typing import SeriesGroupBy

from harness.report.columns import Kind
from harness.report.display import INFINITY, for_hover, for_plotly, number, numbers, shortened
from harness.report.pareto import pareto_front
from harness.report.style import NEUTRAL, OTHERS, Look, axis, look
from harness.report.tidy import natural_key

SQNR_TITLE = "SQNR (dB), higher is better"
POINT_LIMIT = 5000
NEARLY_EXACT_DB = 100.0  # no format of 8 bits or fewer comes near; products in f32 lie above
LEGEND_LIMIT = 40
# Long enough for the axes of two operands: names that are cut alike would look alike.
NAME_LENGTH = 80

_HOVER_LINES = ("scheme", "kernel", "shape", "SQNR", "time", "speed-up")
HOVER = "<b>%{customdata[0]}</b>" + "".join(
    f"<br>{label} %{{customdata[{position}]}}" for position, label in enumerate(_HOVER_LINES, start=1)
)


@dataclass(frozen=True)
class Front:
    """Which direction is better on each axis of a Pareto front."""

    larger_x_is_better: bool
    larger_y_is_better: bool = True


@dataclass(frozen=True)
class Names:
    """The column that tells traces apart, with the column that holds its rank on the whole site."""

    column: str
    rank: str
    title: str


# What every function here reads, beside the values that it is given.
COLUMNS = (
    "case", "case_id", "scheme_label", "kernel", "shape_label", "sqnr_db", "time_s", "speedup", "scheme_rank", "kernel_rank",
)  # fmt: skip

FILTERED = ("operand_format", "operand_granularity")

SCHEMES = Names("scheme_label", "scheme_rank", "scheme")
KERNELS = Names("kernel", "kernel_rank", "kernel")


def rounded(values: pd.Series, digits: int = 5) -> list[float | None]:
    """``values`` to ``digits`` significant digits, which no screen resolves further; null and ±inf become None."""
    numeric = values.to_numpy(dtype=float).tolist()
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in numeric]


def hovers(cases: pd.DataFrame) -> list[list[str]]:
    """The strings of ``HOVER``, one list a row, safe for Plotly; after them, where rows are single cases, the case's id, and
    its format and granularity where the figure reads them (readers filter by these)."""
    rows = zip(
        *([for_hover(text) for text in cases[name]] for name in ("case", "scheme_label", "kernel", "shape_label")),
        numbers(cases["sqnr_db"], Kind.DECIBEL),
        numbers(cases["time_s"], Kind.SECONDS),
        numbers(cases["speedup"], Kind.RATIO),
        strict=True,
    )
    if "case_id" not in cases:
        return [list(row) for row in rows]
    names = ["case_id", *(name for name in FILTERED if name in cases)]
    more = zip(*([for_plotly(text or "") for text in cases[name]] for name in names), strict=True)
    return [[*row, *own] for row, own in zip(rows, more, strict=True)]


@dataclass(frozen=True)
class Group:
    """One legend entry: its name, the rows that it draws, its look."""

    name: str
    rows: NDArray[np.intp]
    look: Look


def groups_of(cases: pd.DataFrame, names: Names) -> list[Group]:
    """The rows of every name in natural order; beyond ``LEGEND_LIMIT`` names the rarest share one grey entry."""
    column = cases[names.column].to_numpy()
    counts = Counter(column)
    own = sorted(sorted(counts, key=lambda name: (-counts[name], natural_key(name)))[:LEGEND_LIMIT], key=natural_key)
    ranks = cases[names.rank].to_numpy()
    rows_of = {name: np.flatnonzero(column == name) for name in own}
    groups = [Group(name, rows, look(int(ranks[rows[0]]))) for name, rows in rows_of.items()]
    if len(own) == len(counts):
        return groups
    others = np.flatnonzero(~np.isin(column, own))
    return [*groups, Group(f"{len(counts) - len(own)} further names", others, OTHERS)]


def traces(
    cases: pd.DataFrame,
    x: Sequence[float | str | None],
    y: Sequence[float | str | None],
    names: Names = SCHEMES,
    *,
    spread: Spread | None = None,
    faint: bool = False,
) -> list[dict[str, Any]]:
    """One scatter trace per name; ``x`` and ``y`` are the positions of the rows of ``cases``."""
    texts = hovers(cases)
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": for_plotly(shortened(group.name, NAME_LENGTH)),
            "x": [x[row] for row in group.rows],
            "y": [y[row] for row in group.rows],
            "customdata": [texts[row] for row in group.rows],
            "hovertemplate": HOVER + "<extra></extra>",
            "marker": group.look.faint_marker if faint else group.look.marker,
            "meta": {"glyph": group.look.glyph},
            **({"error_x": spread.error_bar(group)} if spread else {}),
        }
        for group in groups_of(cases, names)
    ]


@dataclass(frozen=True)
class Spread:
    """How far each row's value may lie above and below, in the unit of the axis; None where that is unknown."""

    above: list[float | None]
    below: list[float | None]

    def error_bar(self, group: Group) -> dict[str, Any]:
        return {
            "type": "data",
            "symmetric": False,
            "array": [self.above[row] for row in group.rows],
            "arrayminus": [self.below[row] for row in group.rows],
            "color": group.look.color,
            "thickness": 1.5,
            "width": 4,
        }


def front_trace(
    cases: pd.DataFrame, x: pd.Series, y: pd.Series, drawn_y: Sequence[float | None], front: Front
) -> dict[str, Any]:
    """The front as a staircase along the boundary of what is dominated, with a ring around each of its points."""
    mask = pareto_front(
        x.to_numpy(dtype=float),
        y.to_numpy(dtype=float),
        larger_x_is_better=front.larger_x_is_better,
        larger_y_is_better=front.larger_y_is_better,
    )
    rows = np.flatnonzero(mask)
    rows = rows[np.lexsort((y.to_numpy(dtype=float)[rows], x.to_numpy(dtype=float)[rows]))]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "Pareto front",
        "meta": {"glyph": "◯"},
        "x": rounded(x.iloc[rows]),
        "y": [drawn_y[int(row)] for row in rows],
        "customdata": hovers(cases.iloc[rows]),
        "hovertemplate": HOVER + "<br>on the Pareto front<extra></extra>",
        "line": {"color": NEUTRAL, "width": 1.5, "shape": "vh" if front.larger_x_is_better else "hv"},
        "marker": {"symbol": "circle-open", "size": 16, "color": NEUTRAL, "line": {"width": 2}},
    }


@dataclass(frozen=True)
class Lane:
    """Positions of decibel values on an axis that has a place for ∞ and −∞ where they occur."""

    positions: list[float | None]
    axis: dict[str, Any]
    note: str


def decibel_lane(values: pd.Series, title: str) -> Lane:
    """An exact result has an SQNR of +∞, which a scale cannot hold: it gets a line of its own above the others.

    So do unquantized results, which f32 rounding alone holds above ``NEARLY_EXACT_DB``, where quantized ones are drawn
    with them: on one scale they would squeeze what the figure is about.
    """
    numeric = values.to_numpy(dtype=float)
    below = np.isneginf(numeric)
    above = np.isposinf(numeric)
    ordinary = np.isfinite(numeric) & (numeric < NEARLY_EXACT_DB)
    nearly = bool(ordinary.any() and (np.isfinite(numeric) & ~ordinary).any())
    if nearly:
        above = numeric >= NEARLY_EXACT_DB
    if not above.any() and not below.any():
        return Lane(rounded(values), axis(title), "")
    finite = numeric[np.isfinite(numeric) & ~above]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 10.0)
    top_label = f"≥ {NEARLY_EXACT_DB:g}" if nearly else INFINITY
    step = _tick_step(high - low)
    first, last = math.floor(low / step), math.ceil(high / step)
    bottom, top = (first - 1) * step, (last + 1) * step
    ticks = [(tick * step, number(tick * step, Kind.NUMBER)) for tick in range(first, last + 1)]
    ticks = [(bottom, f"−{INFINITY}")] * bool(below.any()) + ticks + [(top, top_label)] * bool(above.any())
    drawn = np.where(above, top, np.where(below, bottom, numeric))
    layout = axis(title, tickvals=[tick for tick, _ in ticks], ticktext=[text for _, text in ticks])
    exact = f"{int(above.sum())} exact (SQNR ∞) on the ∞ line" if above.any() else ""
    if nearly:
        exact = f"{int(above.sum())} of {NEARLY_EXACT_DB:g} dB or more (unquantized, or exact) on the line at the top"
    wrecked = f"{int(below.sum())} with SQNR −∞ on the −∞ line" if below.any() else ""
    return Lane(rounded(pd.Series(drawn)), layout, f"Drawn: {' and '.join(x for x in (exact, wrecked) if x)}.")


def _tick_step(span: float) -> float:
    return next((step for step in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if span / step <= 8), 100.0)


@dataclass(frozen=True)
class Drawn:
    """The rows that a figure draws and, where they are medians of cases, the sentence that says so."""

    cases: pd.DataFrame
    note: str


def at_most(cases: pd.DataFrame, limit: int = POINT_LIMIT) -> Drawn:
    """``cases``, or medians of them where they are more than a browser draws smoothly.

    Medians are over the cases that share scheme, kernel and shape; should these still be too many, scheme and kernel.
    """
    if len(cases) <= limit:
        return Drawn(cases, "")
    for by in (["scheme_label", "kernel", "shape_label"], ["scheme_label", "kernel"]):
        medians = medians_of(cases, by)
        if len(medians) <= limit:
            break
    what = ", ".join(name.removesuffix("_label") for name in by)
    note = (
        f"{len(cases):,} cases are more than this figure draws: "
        f"each point is the median of the cases that share {what}."
    )
    return Drawn(medians, note)


def medians_of(cases: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One row per group: medians of the numbers, the texts of its first case where all of them agree.

    ``case`` becomes the number of cases, and ``shape_label`` the number of shapes, where they are several.
    """
    groups = cases.groupby(list(by), sort=True, dropna=False)
    numeric = cases.columns[
        [pd.api.types.is_float_dtype(kind) or name in _RANKS for name, kind in cases.dtypes.items()]
    ]
    medians = groups[[name for name in numeric if name not in by]].median().reset_index()
    for name, plural in (
        ("case", "cases"),
        ("kernel", "kernels"),
        ("shape_label", "shapes"),
        ("scheme_label", "schemes"),
    ):
        if name not in by:
            medians[name] = _common(groups[name], plural)
    if "operand_calibration" in by:
        medians["case"] = [
            f"{calibration}: {case}" if calibration else case
            for calibration, case in zip(medians["operand_calibration"], medians["case"], strict=True)
        ]
    return medians


_RANKS = ("scheme_rank", "kernel_rank")


def _common(groups: SeriesGroupBy[Any, Any], plural: str) -> list[str]:
    """The text that each group shares, or how many texts it has."""
    pairs = zip(groups.first(), groups.nunique(), strict=True)
    return [f"{count:,} {plural}" if count > 1 else first for first, count in pairs]

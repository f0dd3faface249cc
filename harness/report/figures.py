"""The figures of the site: one row of ``FIGURES`` each. A function takes tidy records and returns a Plotly figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.report import accuracy_figures as accuracy
from harness.report import limit_figures as limits
from harness.report import speed_figures as speed
from harness.report.points import COLUMNS as POINT_COLUMNS
from harness.report.points import FILTERED
from harness.report.tidy import natural_key, present, recommendable

# More are too many to choose among, and would make the page slow to build and to load.
DRAWING_LIMIT = 300


@dataclass(frozen=True)
class FigureSpec:
    """One figure of the site.

    ``columns`` are those without which it cannot be drawn, ``optional`` further ones that it reads, ``split`` those
    whose values get a drawing each, among which the reader chooses. ``suits`` makes further demands on the records: it
    returns the sentence for when they are not met. ``filters``: the reader can choose among its points by kernel, shape,
    format and granularity, which must then be ``optional``.
    """

    name: str
    title: str
    description: str
    page: str
    function: Callable[[pd.DataFrame], go.Figure]
    columns: tuple[str, ...]
    split: tuple[str, ...] = ("op",)
    suits: Callable[[pd.DataFrame], str] = lambda _: ""
    optional: tuple[str, ...] = ()
    filters: bool = False


@dataclass(frozen=True)
class Drawing:
    """One drawing of a figure: the values of its ``split`` columns, and the Plotly figure or why there is none."""

    key: tuple[str, ...]
    figure: go.Figure | None
    absent: str


def _needs_error(records: pd.DataFrame) -> str:
    return "" if np.isfinite(records["sqnr_db"]).any() else "no case has a finite SQNR"


def _needs_mse(records: pd.DataFrame) -> str:
    exact = not ((records["rounding_mse"] + records["clipping_mse"]) > 0).any()
    return "every case is exact" if exact else ""


def _needs_paired_calibrations(records: pd.DataFrame) -> str:
    if len(accuracy.paired_with_minmax(records)):
        return ""
    return "no case was run with minmax and, all else equal, with another calibration"


def _needs_both_kinds_of_data(records: pd.DataFrame) -> str:
    both = records[records["data"].notna()].groupby("scheme_label")["real"].nunique()
    return "" if (both == 2).any() else "no scheme was run on both synthetic and real tensors"


FIGURES: tuple[FigureSpec, ...] = (
    FigureSpec(
        "accuracy_speed",
        "Accuracy against speed",
        "What each scheme costs in accuracy and buys in speed over the unquantized baseline, over all shapes.",
        "index",
        speed.accuracy_against_speed,
        ("sqnr_db", "time_s"),
        split=("op", "device_label"),
        optional=FILTERED,
        filters=True,
    ),
    FigureSpec(
        "error_by_format",
        "Error by format and granularity",
        "Median SQNR over all cases, of the weight's format in products and of the tensor's elsewhere.",
        "accuracy",
        accuracy.error_by_format,
        ("sqnr_db", "operand_format", "operand_granularity"),
    ),
    FigureSpec(
        "bits",
        "Bits against accuracy",
        "How much accuracy each bit of memory buys. Rings mark the Pareto front: nothing is smaller and more accurate.",
        "accuracy",
        accuracy.accuracy_against_bits,
        ("sqnr_db", "bits_per_element"),
        optional=("operand_calibration",),
    ),
    FigureSpec(
        "calibration",
        "Calibrations",
        "SQNR of all cases of a format: median, quartiles, and whiskers at the 5th and 95th percentile.",
        "accuracy",
        accuracy.calibration,
        ("sqnr_db", "operand_format", "operand_calibration"),
        suits=_needs_error,
        optional=("calibration_rank",),
    ),
    FigureSpec(
        "calibration_gain",
        "What calibration gains over minmax",
        "Each case is paired with the one that differs from it in calibration alone; whiskers at the 5th and 95th "
        "percentile.",
        "accuracy",
        accuracy.calibration_gain,
        ("sqnr_db", "operand_format", "operand_calibration"),
        suits=_needs_paired_calibrations,
        optional=("calibration_rank", *accuracy.PAIRING_COLUMNS),
    ),
    FigureSpec(
        "error_split",
        "Rounding and clipping",
        "Where the error comes from: values rounded within the range, or clipped at its ends (medians over cases).",
        "accuracy",
        accuracy.error_split,
        ("rounding_mse", "clipping_mse", "operand_format"),
        suits=_needs_mse,
        optional=("operand_calibration",),
    ),
    FigureSpec(
        "worst_block",
        "The worst block",
        "A case far below the dotted line hides a bad block behind a good average.",
        "accuracy",
        accuracy.worst_block,
        ("sqnr_db", "worst_block_sqnr_db"),
    ),
    FigureSpec(
        "data",
        "Synthetic against real tensors",
        "Median SQNR of every scheme that ran on both; bars from the 10th to the 90th percentile.",
        "accuracy",
        accuracy.synthetic_against_real,
        ("sqnr_db", "data"),
        suits=_needs_both_kinds_of_data,
        optional=("real",),
    ),
    FigureSpec(
        "shape",
        "Accuracy against time, one shape",
        "Every case of the chosen shape. Rings mark the Pareto front: nothing is both faster and more accurate.",
        "performance",
        speed.accuracy_against_time,
        ("sqnr_db", "time_s"),
        split=("op", "device_label", "shape_label"),
    ),
    FigureSpec(
        "time",
        "Time by kernel and shape",
        "The fastest case of every kernel, with bars from the 5th to the 95th percentile of its samples.",
        "performance",
        speed.time_by_kernel,
        ("time_s",),
        split=("op", "device_label"),
        optional=("time_p05_s", "time_p95_s"),
    ),
    FigureSpec(
        "bandwidth",
        "Memory throughput",
        "Declared bytes per second of every kernel's best case.",
        "performance",
        speed.bandwidth,
        ("bytes_per_s",),
        split=("op", "device_label"),
    ),
    FigureSpec(
        "compute",
        "Arithmetic throughput",
        "Operations per second of every kernel's best case.",
        "performance",
        speed.compute,
        ("flops_per_s",),
        split=("op", "device_label"),
    ),
    FigureSpec(
        "share_of_peak",
        "Share of the peak",
        "How near every kernel's best case comes to the measured peak of the device.",
        "performance",
        speed.share_of_peak,
        ("fraction_of_peak",),
        split=("op", "device_label"),
    ),
    FigureSpec(
        "speedup_by_shape",
        "Speed-up by shape and kernel",
        "The best speed-up over the baseline that each kernel reaches on each shape.",
        "performance",
        limits.speedup_by_shape,
        ("speedup",),
        split=("op", "device_label"),
    ),
    FigureSpec(
        "roofline",
        "Roofline",
        "Rate of arithmetic over operations a byte, below what memory and the arithmetic units allow: measured, and by the "
        "data sheet.",
        "performance",
        limits.roofline,
        ("flops_per_s", "flops", "moved_bytes"),
        split=("op", "device_label"),
        optional=("bound", "fraction_of_peak", "bytes_per_s"),
    ),
    FigureSpec(
        "size_sweep",
        "Rate by size",
        "Small cases are bound by the launch, middling ones by the cache, large ones by memory.",
        "performance",
        limits.size_sweep,
        ("bytes_per_s", "moved_bytes"),
        split=("op", "device_label"),
        optional=("bound", "fraction_of_peak"),
    ),
    FigureSpec(
        "clocks",
        "Clocks",
        "The clock that the device held while it was timed; a lower one than usual explains a longer time.",
        "performance",
        limits.clocks,
        ("sm_clock_hz", "time_s"),
        split=("op", "device_label"),
        optional=("throttled_fraction",),
    ),
)


@dataclass(frozen=True)
class Drawings:
    """The drawings of a figure in the order of their keys, and how many more there would have been."""

    shown: tuple[Drawing, ...]
    left_out: int


def draw(spec: FigureSpec, records: pd.DataFrame) -> Drawings:
    """Every drawing of ``spec`` from tidy ``records``; only cases of status ``ok`` are drawn, and no pitfalls.

    What cannot be drawn says why in ``absent``. No records at all give no drawing. Of more than ``DRAWING_LIMIT``, those
    with the most cases are kept.
    """
    # Other columns would be copied for nothing into every part.
    columns = dict.fromkeys((*POINT_COLUMNS, *spec.columns, *spec.optional, *spec.split))
    good = records.loc[recommendable(records), list(columns)]
    if good.empty:
        return Drawings((), 0)
    parts = [(tuple(str(part) for part in key), rows) for key, rows in good.groupby(list(spec.split), sort=False)]
    kept = sorted(parts, key=lambda part: (-len(part[1]), _key_order(part[0])))[:DRAWING_LIMIT]
    shown = [_drawing(spec, key, rows) for key, rows in sorted(kept, key=lambda part: _key_order(part[0]))]
    return Drawings(tuple(shown), len(parts) - len(kept))


def _key_order(key: tuple[str, ...]) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    return tuple(natural_key(part) for part in key)


def _drawing(spec: FigureSpec, key: tuple[str, ...], rows: pd.DataFrame) -> Drawing:
    lacking = [name for name in spec.columns if rows[name].isna().all()]
    if lacking:
        return Drawing(key, None, f"no record has {_listed(lacking)}")
    if not present(rows, spec.columns).any():
        return Drawing(key, None, f"no record has all of {_listed(spec.columns)}")
    unsuited = spec.suits(rows)
    if unsuited:
        return Drawing(key, None, unsuited)
    return Drawing(key, spec.function(rows), "")


def _listed(columns: Sequence[str]) -> str:
    return " and ".join(name.removeprefix("operand_").removesuffix("_label") for name in columns)

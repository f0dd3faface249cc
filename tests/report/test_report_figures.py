"""Every row of ``FIGURES``: what it draws, what it refuses to draw, and that text stays text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from harness.report import figures
from harness.report.figures import FIGURES, Drawing, FigureSpec, draw
from harness.report.points import HOVER, LEGEND_LIMIT, SCHEMES, at_most, decibel_lane, groups_of, medians_of
from harness.report.style import OTHERS, look
from harness.report.tidy import tidy

UNITS = ("(dB)", "(s)", "(×)", "(B)", "(B/s)", "(FLOP/B)", "(FLOP/s)", "(GHz)", "(%)")
BY_NAME = {spec.name: spec for spec in FIGURES}


@pytest.fixture(scope="module")
def drawn(shared_records: pd.DataFrame) -> dict[str, tuple[Drawing, ...]]:
    """Every drawing of every figure."""
    frame = tidy(shared_records)
    return {spec.name: draw(spec, frame).shown for spec in FIGURES}


every_figure = pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.name)


def figure_of(name: str, records: pd.DataFrame, op: str = "gemm") -> go.Figure:
    drawing = next(drawing for drawing in draw(BY_NAME[name], tidy(records)).shown if drawing.key[0] == op)
    assert drawing.figure is not None, drawing.absent
    return drawing.figure


def trace(figure: go.Figure, name: str) -> Any:
    return next(part for part in figure.data if part.name == name)


def texts(value: Any) -> Iterator[str]:
    """Every string anywhere in a figure."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


@every_figure
def test_is_drawn_for_some_operation(spec: FigureSpec, drawn: dict[str, tuple[Drawing, ...]]) -> None:
    found = [drawing.figure for drawing in drawn[spec.name] if drawing.figure is not None]
    assert found
    for figure in found:
        assert figure.data
        json.dumps(figure.to_plotly_json()["data"], allow_nan=False)


@every_figure
def test_hostile_text_stays_text(spec: FigureSpec, hostile: pd.DataFrame) -> None:
    for drawing in draw(spec, tidy(hostile)).shown:
        if drawing.figure is None:
            continue
        plain = drawing.figure.to_plotly_json()
        plain["layout"].pop("meta")  # not Plotly's: the page puts its notes into textContent
        found = list(texts({"data": plain["data"], "layout": plain["layout"]}))
        assert any("&lt;img" in text for text in found)
        for text in found:
            own = text.replace("<br>", "").replace("<b>%{customdata[0]}</b>", "").replace("<extra></extra>", "")
            assert "<" not in own, text


@every_figure
def test_absent_columns_are_named(spec: FigureSpec, records: pd.DataFrame) -> None:
    lost = spec.columns[0]
    frame = tidy(records).assign(**{lost: None if lost.startswith("operand") else np.nan})
    for drawing in draw(spec, frame).shown:
        assert drawing.figure is None
        assert lost.removeprefix("operand_") in drawing.absent


@every_figure
def test_without_ok_records_there_is_no_drawing(spec: FigureSpec, records: pd.DataFrame) -> None:
    assert draw(spec, tidy(records[records["status"] != "ok"])).shown == ()
    assert draw(spec, tidy(pd.DataFrame())).shown == ()


@every_figure
def test_every_axis_has_a_title_with_its_unit(spec: FigureSpec, drawn: dict[str, tuple[Drawing, ...]]) -> None:
    for drawing in drawn[spec.name]:
        if drawing.figure is None:
            continue
        for axis in (drawing.figure.layout.xaxis, drawing.figure.layout.yaxis):
            title = axis.title.text
            named = axis.type == "category" or "Bits per element" in title
            assert named or any(unit in title for unit in UNITS), title


@every_figure
def test_only_ok_cases_take_part(
    spec: FigureSpec, records: pd.DataFrame, drawn: dict[str, tuple[Drawing, ...]]
) -> None:
    spoilt = records.assign(sqnr_db=records["sqnr_db"].where(records["status"] == "ok", 99.0))
    spoilt["time_s"] = spoilt["time_s"].where(spoilt["status"] == "ok", 1e-12)
    after = draw(spec, tidy(spoilt)).shown
    assert [_plain(drawing) for drawing in drawn[spec.name]] == [_plain(drawing) for drawing in after]


def _plain(drawing: Drawing) -> Any:
    return drawing.figure and drawing.figure.to_plotly_json()


def test_hovers_name_the_case_and_its_figures(records: pd.DataFrame) -> None:
    hover = trace(figure_of("shape", records), "w8a8").customdata[0]
    assert list(hover)[1:] == ["w8a8", "wmma_s8", "ffn 1×64×128", "38.0 dB", "556 ns", "1.8×", "ffn1w8a8minmax"]
    assert hover[0].replace("<br>", "") == "gemm/ffn/m=1/wmma_s8/w8a8/minmax"
    assert [f"customdata[{i}]" in HOVER for i in range(len(hover))] == [True] * 7 + [False]


def test_accuracy_against_speed_takes_the_geometric_mean(records: pd.DataFrame) -> None:
    at = (records["scheme"] == "w8a8") & (records["m"] == 1)
    records.loc[at, "speedup"] = 0.9
    point = [part for part in figure_of("accuracy_speed", records).data if part.name == "w8a8"][-1]
    assert point.x[0] == pytest.approx(math.sqrt(1.8 * 0.9), rel=1e-4)
    assert point.y[0] == pytest.approx(38.5)
    assert point.customdata[0][0] == "8 cases"


def test_accuracy_against_speed_without_speedups_uses_time(records: pd.DataFrame) -> None:
    figure = figure_of("accuracy_speed", records.drop(columns="speedup"))
    assert "Time per call (s)" in figure.layout.xaxis.title.text
    front = trace(figure, "Pareto front")
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)


def test_front_of_a_shape(records: pd.DataFrame) -> None:
    front = trace(figure_of("shape", records), "Pareto front")
    # Fastest first: the 4-bit scheme, then 8 bits, then the exact baseline, each with its better calibration.
    assert [hover[1] for hover in front.customdata] == ["w4a16_g128", "w8a8", "unquantized"]
    assert [hover[4] for hover in front.customdata] == ["21.0 dB", "39.0 dB", "∞"]


def test_exact_results_have_a_line_of_their_own(records: pd.DataFrame) -> None:
    figure = figure_of("shape", records)
    baseline = trace(figure, "unquantized")
    assert baseline.y[0] == figure.layout.yaxis.tickvals[-1] > max(trace(figure, "w8a8").y)
    assert figure.layout.yaxis.ticktext[-1] == "∞"
    assert any("exact" in note for note in figure.layout.meta["notes"])


@pytest.mark.parametrize(
    ("values", "bottom", "top"),
    [
        ([1.0, 2.0], None, None),
        ([1.0, math.inf], None, "∞"),
        ([1.0, -math.inf], "−∞", None),
        ([math.inf], None, "∞"),
        ([math.nan, -math.inf, math.inf], "−∞", "∞"),
    ],
)
def test_lane(values: list[float], bottom: str | None, top: str | None) -> None:
    lane = decibel_lane(pd.Series(values), "SQNR (dB)")
    labels = lane.axis.get("ticktext", [None])
    assert (labels[0] if bottom else None, labels[-1] if top else None) == (bottom, top)
    assert [position is None for position in lane.positions] == [math.isnan(value) for value in values]


def test_heatmap_holds_medians(records: pd.DataFrame) -> None:
    heat = figure_of("error_by_format", records).data[0]
    assert list(heat.y) == ["int8", "int4"]
    assert list(heat.x) == ["per_channel", "per_group:128"]
    assert [list(row) for row in heat.text] == [["38.5", ""], ["", "20.5"]]


def test_calibration_gain_pairs_cases(records: pd.DataFrame) -> None:
    (box,) = figure_of("calibration_gain", records).data
    assert (box.name, list(box.x), list(box.median)) == ("mse", ["int4", "int8"], [1.0, 1.0])


def test_calibration_gain_needs_a_pair(records: pd.DataFrame) -> None:
    apart = records.assign(seed=records["weight_calibration"].eq("mse").astype(int))
    absent = {drawing.key[0]: drawing.absent for drawing in draw(BY_NAME["calibration_gain"], tidy(apart)).shown}
    assert "minmax" in absent["gemm"]


def test_error_split_adds_up(records: pd.DataFrame) -> None:
    rounding, clipping = figure_of("error_split", records, "quantize").data
    assert [a + b for a, b in zip(rounding.x, clipping.x, strict=True)] == pytest.approx([1.0] * 4, abs=1e-5)
    assert dict(zip(clipping.y, clipping.x, strict=True))["nf4 percentile:99.9"] == pytest.approx(1 / 11, rel=1e-4)


def test_synthetic_against_real_needs_both(records: pd.DataFrame) -> None:
    figure = figure_of("data", records)
    assert [part.name for part in figure.data] == ["synthetic tensors", "real tensors"]
    absent = {drawing.key[0]: drawing.absent for drawing in draw(BY_NAME["data"], tidy(records)).shown}
    assert "both synthetic and real" in absent["quantize"]


def test_a_scheme_looks_the_same_in_every_figure(drawn: dict[str, tuple[Drawing, ...]]) -> None:
    looks = {
        (part.marker.color, part.marker.symbol)
        for drawings in drawn.values()
        for drawing in drawings
        if drawing.figure is not None
        for part in drawing.figure.data
        if part.name == "w8a8"
    }
    assert len(looks) == 1


def test_fastest_case_per_kernel_and_shape(records: pd.DataFrame) -> None:
    part = trace(figure_of("time", records), "wmma_s8")
    assert len(part.x) == 4
    assert dict(zip(part.y, part.x, strict=True))["qkv 16×64×128"] == pytest.approx(16e-6 / 2.5, rel=1e-4)
    assert part.error_x.array[0] > 0


def test_many_names_share_the_last_legend_entry() -> None:
    count = LEGEND_LIMIT + 5
    frame = tidy(pd.DataFrame({"scheme": [f"s{i}" for i in range(count)] + ["s3"]}))
    groups = groups_of(frame, SCHEMES)
    assert len(groups) == LEGEND_LIMIT + 1
    assert groups[-1].name == "5 further names"
    assert groups[-1].look == OTHERS
    assert sum(len(group.rows) for group in groups) == count + 1
    assert "s3" in {group.name for group in groups}


def test_looks_differ() -> None:
    assert len({look(rank) for rank in range(-1, 56)}) == 57


def test_many_cases_become_medians(records: pd.DataFrame) -> None:
    frame = tidy(records[records["op"] == "gemm"])
    thinned = at_most(frame, limit=3)
    assert "median of the cases that share scheme_label, kernel".replace("_label", "") in thinned.note
    assert len(thinned.cases) <= 3
    assert at_most(frame, limit=1000).note == ""


def test_medians_of_one_case_keep_its_name() -> None:
    frame = tidy(pd.DataFrame({"case": ["a", "b", "c"], "scheme": ["x", "x", "y"], "sqnr_db": [1.0, math.inf, 3.0]}))
    medians = medians_of(frame, ["scheme_label", "kernel"])
    assert medians["case"].tolist() == ["2 cases", "c"]
    assert medians["sqnr_db"].tolist() == [math.inf, 3.0]


def test_too_many_drawings_keep_the_largest(records: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DRAWING_LIMIT", 2)
    drawings = draw(BY_NAME["shape"], tidy(records))
    assert len(drawings.shown) == 2
    assert drawings.left_out == 3
    assert {drawing.key[0] for drawing in drawings.shown} == {"gemm"}

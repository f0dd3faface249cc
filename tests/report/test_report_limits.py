"""Ceilings that records tell of, and the figures that draw them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from harness.backends.cuda.datasheet import DATASHEETS
from harness.report.limit_figures import ceilings, clocks, roofline, size_sweep, speedup_by_shape
from harness.report.tidy import tidy

COPY, INT8 = 4e12, 1.4e15


def case(kernel: str, m: int, *, bound: str, share: float, **more: Any) -> dict[str, Any]:
    """A product [m, 64, 128] that reaches ``share`` of the nearer ceiling."""
    flops, moved = 2.0 * m * 64 * 128 * (100 if bound == "compute" else 1), 64.0 * 128 + 192 * m
    time_s = (moved / COPY if bound == "memory" else flops / INT8) / share
    return {
        "suite": "gemm", "run_id": "r", "case_id": f"{kernel}{m}", "case": f"{kernel}/{m}", "op": "gemm", "kernel": kernel,
        "backend": "cuda", "device": "cuda:0", "gpu": "NVIDIA H200", "status": "ok", "shape_name": "s", "m": m, "n": 64,
        "k": 128, "time_s": time_s, "flops": flops, "moved_bytes": moved, "flops_per_s": flops / time_s,
        "bytes_per_s": moved / time_s, "bound": bound, "fraction_of_peak": share, "speedup": 2.0, "sqnr_db": 30.0,
        "sm_clock_hz": 1.9e9, **more,
    }  # fmt: skip


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [
        case("fast", 1, bound="memory", share=0.9),
        case("slow", 1, bound="memory", share=0.3, speedup=0.5, throttled_fraction=0.2),
        case("fast", 4096, bound="compute", share=0.8, speedup=3.0),
    ]
    return tidy(pd.DataFrame(rows))


def named(figure: Any, start: str) -> list[Any]:
    return [trace for trace in figure.data if (trace.name or "").startswith(start)]


def test_ceilings_are_what_shares_were_taken_of(frame: pd.DataFrame) -> None:
    assert ceilings(frame, "memory", "bytes_per_s") == [pytest.approx(COPY)]
    assert ceilings(frame, "compute", "flops_per_s") == [pytest.approx(INT8)]


def test_ceilings_of_two_arithmetics_stay_apart(frame: pd.DataFrame) -> None:
    other = frame[frame["bound"] == "compute"].assign(flops_per_s=lambda rows: rows["flops_per_s"] / 2)
    assert ceilings(pd.concat([frame, other]), "compute", "flops_per_s") == [
        pytest.approx(INT8 / 2),
        pytest.approx(INT8),
    ]


def test_a_roofline_has_the_measured_and_the_data_sheets_roofs(frame: pd.DataFrame) -> None:
    figure = roofline(frame)
    slope, roof = named(figure, "measured")
    assert slope.y[1] / slope.x[1] == pytest.approx(COPY, rel=1e-3)
    assert tuple(roof.y) == (pytest.approx(INT8),) * 2
    assert roof.x[0] == pytest.approx(INT8 / COPY, rel=1e-3)
    sheet = DATASHEETS["NVIDIA H200"]
    memory, arithmetic = named(figure, "data sheet")
    assert memory.y[1] / memory.x[1] == pytest.approx(sheet.memory_bytes_per_s, rel=1e-3)
    assert arithmetic.y[0] == pytest.approx(sheet.int8, rel=1e-3)
    assert named(figure, "fast")[0].y[0] <= COPY * named(figure, "fast")[0].x[0]


def test_without_peaks_a_roofline_says_how_to_get_them(frame: pd.DataFrame) -> None:
    figure = roofline(frame.assign(bound=None, fraction_of_peak=math.nan, device_label="other"))
    assert not named(figure, "measured")
    assert any("doctor --peaks" in note for note in figure.layout.meta["notes"])
    assert any("data sheet of this device is not known" in note for note in figure.layout.meta["notes"])


def test_sizes_are_drawn_below_the_copy(frame: pd.DataFrame) -> None:
    figure = size_sweep(frame)
    assert named(figure, "measured copy")[0].y[0] == pytest.approx(COPY)
    assert max(y for trace in named(figure, "fast") for y in trace.y) <= COPY


def test_the_map_holds_the_best_speedup_of_a_kernel_and_shape(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame.assign(speedup=frame["speedup"] / 4)])
    heat = speedup_by_shape(twice).data[0]
    assert dict(zip(heat.y, heat.text, strict=True))["s 1×64×128"] == ["2×", "0.5×"]
    assert dict(zip(heat.y, heat.text, strict=True))["s 4096×64×128"] == ["3×", ""]
    assert (heat.zmin, heat.zmax) == (-heat.zmax, heat.zmax)


def test_throttled_cases_have_rings(frame: pd.DataFrame) -> None:
    figure = clocks(frame)
    (ring,) = named(figure, "throttled")
    assert len(ring.x) == 1
    assert "1 of 3 cases" in figure.layout.meta["notes"][0]


def test_two_models_of_one_device_name_are_two_devices(frame: pd.DataFrame) -> None:
    other = tidy(pd.DataFrame([case("fast", 1, bound="memory", share=0.9, gpu="NVIDIA H100 80GB HBM3")]))
    assert set(frame["device_label"]) | set(other["device_label"]) == {"NVIDIA H200", "NVIDIA H100 80GB HBM3"}
    on_cpu = tidy(pd.DataFrame([case("ort", 1, bound="memory", share=0.9, backend="cpu", cpu="Xeon")]))
    assert set(on_cpu["device_label"]) == {"Xeon"}

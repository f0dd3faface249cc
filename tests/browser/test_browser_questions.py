"""The questions that people come with, each answered within two clicks from the overview."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from harness.report import build_site
from harness.report.accuracy_figures import SAME_CASE
from harness.report.columns import Kind
from harness.report.display import number
from harness.store import read_results

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
NIGHTS, SLOWER_FROM = 14, 9
TIMES = ["time_s", "time_low_s", "time_high_s", "time_p05_s", "time_p95_s"]


def as_run(records: pd.DataFrame, number: int, factor: float | np.ndarray, **columns: str) -> pd.DataFrame:
    """The same cases in another run, all times longer by ``factor``."""
    made = records.assign(run_id=f"202701{number + 1:02d}T020000Z-{number:04x}", **columns)
    return made.assign(**{name: made[name] * factor for name in TIMES})


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    """Cases of one shape with all calibrations; a suite of speed in nights, slower from one on, and on another device."""
    calibrated = read_results([REFERENCE / "quantize"])
    first = calibrated[(calibrated["status"] == "ok") & (calibrated["format"] == "int4")]
    first = first[first["shape_name"] == first["shape_name"].iloc[0]].head(20).assign(backend="cuda", gpu="NVIDIA H200")
    speed = read_results([REFERENCE / "quantize_speed"])
    speed = speed[(speed["status"] == "ok") & (speed["kernel"] == "affine")].head(30)
    rng = np.random.default_rng(0)
    nights = []
    for night in range(NIGHTS):
        factor = np.exp(0.002 * rng.standard_normal(len(speed)))
        factor[0] *= 1.12 if night >= SLOWER_FROM else 1.0
        nights.append(as_run(speed, night, factor, git_commit="aaaa" if night < SLOWER_FROM else "bbbb"))
    other = as_run(speed, NIGHTS, 1.5, gpu="NVIDIA H100 80GB HBM3")
    return pd.concat([first, *nights, other], ignore_index=True)


@pytest.fixture(scope="module")
def site(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(records, tmp_path_factory.mktemp("questions") / "site").index


def test_which_scheme_is_fastest_at_30_db_on_this_shape(records: pd.DataFrame, site: Path, watched) -> None:
    page = watched.open(site)
    page.get_by_role("navigation", name="Pages").get_by_text("Performance").click()
    shape = page.locator("[data-own=shape_label]")
    page.wait_for_selector("[data-figure=shape] .main-svg", state="attached")
    device = page.input_value("[data-choice=device_label]")
    name = records["shape_name"].iloc[-1]
    wanted = shape.locator("option", has_text=name).first.get_attribute("value") or ""
    shape.select_option(wanted)
    told = page.locator("section:has([data-figure=shape]) .notes").first.text_content() or ""
    own = records[(records["gpu"] == device) & (records["status"] == "ok") & (records["sqnr_db"] >= 30)]
    own = own[own["shape_name"] == name]
    best = own.sort_values("time_s").iloc[0]
    words = f"by {best['kernel']} ({number(best['time_s'], Kind.SECONDS)}, {number(best['sqnr_db'], Kind.DECIBEL)})"
    assert re.search(rf"Fastest at [123]0 dB or more: [^.]* {re.escape(words)}", told)


def test_which_regressed_last_night_and_since_which_commit(records: pd.DataFrame, site: Path, watched) -> None:
    page = watched.open(site)
    row = page.locator("[aria-labelledby=changes] tbody tr")
    assert row.count() == 1
    assert "git_commit aaaa → bbbb" in (row.text_content() or "")
    assert f"202701{SLOWER_FROM + 1:02d}T" in (row.text_content() or "")


def opened_case(page: Page, name: str) -> Page:
    """Two clicks: records, then the case."""
    page.get_by_role("navigation", name="Pages").get_by_text("Records").click()
    page.get_by_role("link", name=name, exact=True).first.click()
    page.wait_for_url("**/case.html#id=*")
    return page


def test_is_this_case_bound_by_memory_and_how_far_from_the_limit(records: pd.DataFrame, site: Path, watched) -> None:
    known = records[:50]
    case = known[known["bound"].notna()].iloc[0]
    page = opened_case(watched.open(site), case["case"])
    words = page.text_content("#case-bound") or ""
    assert words.startswith("Bound by memory" if case["bound"] == "memory" else "Bound by arithmetic")
    assert f"{100 * case['fraction_of_peak']:.3g} % of the peak" in words


def test_does_the_calibration_matter_for_this_layer(records: pd.DataFrame, site: Path, watched) -> None:
    known = records[:50]
    alike = [name for name in SAME_CASE if name in known]
    sizes = known.groupby(alike, dropna=False)["calibration"].transform("nunique")
    case = known[sizes > 1].iloc[0]
    page = opened_case(watched.open(site), case["case"])
    rows = page.locator("#calibrations-table tbody tr")
    assert rows.count() >= sizes[case.name]
    assert "from the best to the worst" in (page.text_content("#calibrations-words") or "")
    assert "(this case)" in (page.text_content("#calibrations-table") or "")


def test_how_do_two_devices_compare(site: Path, watched) -> None:
    page = watched.open(site)
    page.get_by_role("link", name="NVIDIA H100 80GB HBM3 and NVIDIA H200").click()
    page.wait_for_selector("#compare-plot .main-svg", state="attached")
    words = page.text_content("#compare-words") or ""
    assert "30 cases on both sides" in words
    assert "NVIDIA H200 takes 0.6" in words
    assert "no verdicts between machines" in words


def test_the_headline_is_filtered_and_its_front_drawn_anew(site: Path, watched) -> None:
    page = watched.open(site)
    page.wait_for_selector("[data-figure=accuracy_speed] .main-svg", state="attached")
    points = "document.querySelector('[data-figure=accuracy_speed]').data.flatMap((t) => t.customdata)"
    before = page.evaluate(f"{points}.length")
    page.select_option("[data-narrow=format]", "int8")
    assert "format=int8" in page.url
    left = page.evaluate(points)
    assert 0 < len(left) < before
    assert {each[8] for each in left} == {"int8"}
    assert page.evaluate("document.querySelector('[data-figure=accuracy_speed]').data.at(-1).name") == "Pareto front"
    page.reload()
    page.wait_for_selector("[data-figure=accuracy_speed] .main-svg", state="attached")
    assert page.input_value("[data-narrow=format]") == "int8"

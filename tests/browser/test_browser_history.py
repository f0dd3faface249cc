"""The pages History and Compare in a real browser: regressions first, choices, links, narrow pages, hostile text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_histories import NIGHTS, nights, step
from made_runs import case, make_run, run_id

from harness.report import build_site
from harness.report.single import build_single_file
from harness.store import read_results, read_samples

HOSTILE = '<img src=x onerror="window.harmed = 1"></script><b>'


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """c1 is slower from night 25 on, with another commit; c2 in the last night alone; the rest is steady."""
    rng = np.random.default_rng(4)
    out = tmp_path_factory.mktemp("history") / "results"
    times = {number: nights(rng, NIGHTS) for number in range(6)}
    times[1] = step(times[1], 25, 1.12)
    times[2][-1] = 1.1e-3
    for night in range(NIGHTS):
        cases = [
            case(n, own[night] * (1 + 0.002 * rng.standard_normal(12)), case=f"gemm/dp4a/s{n}/{HOSTILE}")
            for n, own in times.items()
        ]
        make_run(out, cases, day=night, git_commit="aaaa" if night < 25 else f"bbbb{HOSTILE}")
    return out


@pytest.fixture(scope="module")
def site(results, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    return build_site(read_results([results]), out, samples=read_samples([results])).index.parent


def test_which_case_regressed_and_since_which_commit_in_one_click(site, watched):
    page = watched.open(site / "index.html")
    row = page.locator("[aria-labelledby=changes] tbody tr")
    assert row.count() == 1
    assert f"bbbb{HOSTILE}" in (row.text_content() or "")
    row.locator("a").click()
    page.wait_for_selector("#history-plot .main-svg", state="attached")
    assert "/s1/" in (page.text_content("#history-name") or "")
    assert "slower since 2026-01-26" in (page.text_content("#history-words") or "")
    changes = page.text_content("#history-changes tbody") or ""
    assert run_id(25) in changes
    assert "git_commit aaaa → bbbb" in changes
    assert page.evaluate("document.querySelector('#history-plot').layout.annotations.length") == 1
    assert page.evaluate("window.harmed") is None
    assert page.locator("img").count() == 0


def test_the_history_lists_regressions_first_and_filters(site, watched):
    page = watched.open(site / "history.html")
    rows = page.locator("#history-table tbody tr")
    assert rows.count() == 6
    assert "▲ slower" in (rows.first.text_content() or "")
    page.select_option("#history-shown", "changed")
    assert rows.count() == 1
    page.select_option("#history-shown", "")
    page.fill("#history-search", "s3")
    assert rows.count() == 1
    assert "q=s3" in page.url
    rows.locator("a").click()
    page.wait_for_function("document.querySelector('#history-name').textContent.includes('/s3/')")
    page.reload()
    assert page.input_value("#history-search") == "s3"
    assert "/s3/" in (page.text_content("#history-name") or "")
    page.click("#history-link")
    page.wait_for_url("**/case.html#id=c3")


def test_the_two_newest_runs_are_compared_with_verdicts(site, watched):
    page = watched.open(site / "compare.html")
    page.wait_for_selector("#compare-plot .main-svg", state="attached")
    assert page.input_value("#compare-a") == run_id(NIGHTS - 2)
    assert page.input_value("#compare-b") == run_id(NIGHTS - 1)
    rows = page.locator("#compare-table tbody tr")
    assert rows.count() == 6
    assert "/s2/" in (rows.first.text_content() or "")
    assert "▲ slower" in (rows.first.text_content() or "")
    page.select_option("#compare-verdict", "slower")
    assert rows.count() == 1
    assert "verdict=slower" in page.url
    assert page.evaluate("window.harmed") is None


def test_any_two_runs_are_compared_without_verdicts(site, watched):
    page = watched.open(site / "compare.html", f"a={run_id(3)}&b={run_id(30)}")
    page.wait_for_selector("#compare-plot .main-svg", state="attached")
    assert "6 not judged" in (page.text_content("#compare-words") or "")
    page.select_option("#compare-b", run_id(31))
    assert f"b={run_id(31)}" in page.url
    page.reload()
    assert page.input_value("#compare-b") == run_id(31)
    page.locator("#compare-table tbody a").first.click()
    page.wait_for_url(f"**/case.html#id=*&run={run_id(31)}")


@pytest.mark.parametrize("name", ["history", "compare", "index"])
def test_they_fit_a_phone(name, site, watched):
    watched.page.set_viewport_size({"width": 390, "height": 800})
    page = watched.open(site / f"{name}.html")
    page.wait_for_selector(".plot .main-svg", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_in_one_file_links_between_cases_work(results, tmp_path, watched):
    page = watched.open(build_single_file(read_results([results]), tmp_path / "one.html").index)
    frame = page.frame_locator("iframe")
    frame.locator("[aria-labelledby=changes] tbody a").click()
    frame.locator("#history-plot .main-svg").first.wait_for(state="attached")
    assert "#history.html?id=c1" in page.url
    frame.locator("#history-table tbody a").last.click()
    frame.locator("#history-plot .main-svg").first.wait_for(state="attached")
    assert "id=c1" not in page.url

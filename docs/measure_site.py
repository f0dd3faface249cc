"""Sizes and opening times of the site's pages, the table of docs/site.md: ``python docs/measure_site.py 10000 100000``.

Records are those of results/reference, each many times with other times and errors, until there are as many as asked for.
Pages are opened from disk in Chromium, cold, three times; the median counts, until the first figure or row is there.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

from harness.report import build_site
from harness.store import read_results, read_samples

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
READY = {
    "index": ".plot .main-svg",
    "accuracy": ".plot .main-svg",
    "performance": ".plot .main-svg",
    "history": "#history-plot .main-svg, .absent",
    "compare": "#compare-plot .main-svg, .absent",
    "records": "#records tbody tr",
    "case": "#case-name:not(:empty)",
}
SEARCHES = ("wmma per_token", "dp4a", "fp8")
FILTER = """(words) => {
    const search = document.querySelector('#search');
    const began = performance.now();
    search.value = words;
    search.dispatchEvent(new Event('input', { bubbles: true }));
    return performance.now() - began;
}"""


def many(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many records, and their samples."""
    records, samples = read_results([REFERENCE]), read_samples([REFERENCE])
    copies = []
    for number in range(-(-count // len(records))):
        rng = np.random.default_rng(number)
        own = records.assign(case_id=records["case_id"] + f"-{number}", case=records["case"] + f"#{number}")
        own["time_s"] *= np.exp(0.1 * rng.standard_normal(len(own)))
        own["sqnr_db"] += rng.normal(0, 0.3, len(own))
        copies.append((own, samples.assign(case_id=samples["case_id"] + f"-{number}")))
    made = pd.concat([own for own, _ in copies], ignore_index=True).head(count)
    return made, pd.concat([own for _, own in copies], ignore_index=True)


def opened(browser: Browser, address: str, ready: str) -> tuple[float, float | None]:
    """Seconds until the page is there, and those of the slowest search where it has one."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.perf_counter()
    page.goto(address, timeout=120_000)
    page.wait_for_selector(ready, state="attached", timeout=120_000)
    took = time.perf_counter() - began
    searched = None
    if page.locator("#search").count():
        page.fill("#search", "int8")  # the first search makes the lines that are searched
        searched = max(page.evaluate(FILTER, words) for words in SEARCHES) / 1000
    page.close()
    return took, searched


def size(site: Path, name: str) -> float:
    """MB of the page and what it loads."""
    page = (site / f"{name}.html").read_text()
    parts = [part.split('"')[0] for part in page.split('src="')[1:]]
    return ((site / f"{name}.html").stat().st_size + sum((site / part).stat().st_size for part in parts)) / 1e6


def main() -> None:
    print("| records | page | MB, with Plotly's 4.8 | opened in s | slowest search in ms |\n|--:|---|--:|--:|--:|")
    chromium = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for count in map(int, sys.argv[1:]):
            records, samples = many(count)
            site = Path(folder) / str(count)
            began = time.perf_counter()
            build_site(records, site, samples=samples)
            print(f"{count:,} records: built in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            for name, ready in READY.items():
                address = (site / f"{name}.html").as_uri()
                address += f"#id={records['case_id'].iloc[0]}" if name == "case" else ""
                found = [opened(browser, address, ready) for _ in range(3)]
                searches = [each for _, each in found if each is not None]
                search = f"{1000 * max(searches):.0f}" if searches else "–"
                middle = float(np.median([took for took, _ in found]))
                print(f"| {count:,} | {name} | {size(site, name):.1f} | {middle:.2f} | {search} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()

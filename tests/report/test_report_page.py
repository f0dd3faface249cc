"""The written site: what the files hold, and what they must not."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.errors import StoreError
from harness.report import Site, build_site
from harness.report.figures import FIGURES

PAGES = ("index", "accuracy", "performance", "history", "compare", "records", "case")
FIGURE_PAGES = PAGES[:3]
SCRIPTS = (
    "address.js",
    "text.js",
    "filters.js",
    "siblings.js",
    "plots.js",
    "columns.js",
    "table.js",
    "panel.js",
    "history_page.js",
    "compare_page.js",
)


class Document(HTMLParser):
    """The tags of a page, its text, and the references that a browser would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def references(self) -> list[str]:
        return [value for _, name, value in self.attributes if name in ("src", "href", "action", "data", "srcset")]


def document(site: Site, name: str) -> Document:
    return Document((site.index.parent / f"{name}.html").read_text(encoding="utf-8"))


def data_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8").partition(" = ")[2].removesuffix(";\n"))


@pytest.fixture(scope="module")
def site(shared_records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(shared_records, tmp_path_factory.mktemp("report") / "site")


def test_files(site: Site, records: pd.DataFrame) -> None:
    folder = site.index.parent
    assert site.records == len(records)
    assert site.pages == tuple(folder / f"{name}.html" for name in PAGES)
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert names.count("plotly.min.js") == 1
    assert set(names) >= {"report.css", *SCRIPTS, "records.js", "case.js", "index.js", "accuracy.js", "performance.js"}
    assert (folder / "plotly.min.js").stat().st_size > 1_000_000


def test_every_reference_is_a_file_of_the_site(site: Site) -> None:
    for name in PAGES:
        for reference in document(site, name).references:
            path = reference.partition("#")[0]
            assert reference.startswith(("#", "data:")) or (site.index.parent / path).is_file(), reference


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    for name in PAGES:
        page = document(site, name)
        policies = [value for tag, attribute, value in page.attributes if (tag, attribute) == ("meta", "content")]
        policy = next(value for value in policies if "default-src" in value)
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        assert re.search(r"script-src 'self'(;|$)", policy)
        assert not any(re.match(r"(https?:)?//", reference) for reference in page.references)
    for path in (
        *site.index.parent.glob("assets-*/*.css"),
        *(path for name in SCRIPTS for path in site.index.parent.glob(f"assets-*/{name}")),
        *site.pages,
    ):
        assert not re.search(r"https?://|@import|url\(", path.read_text(encoding="utf-8")), path


def test_scripts_are_files_and_never_inline(site: Site) -> None:
    for name in PAGES:
        page = document(site, name)
        assert page.tags.count("script") == sum(tag == "script" and name == "src" for tag, name, _ in page.attributes)
        assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_hostile_text_stays_text(hostile: pd.DataFrame, tmp_path: Path) -> None:
    site = build_site(hostile, tmp_path / "site", title="<script>alert(1)</script>")
    for name in PAGES:
        page = document(site, name)
        assert "img" not in page.tags
        assert "b" not in page.tags
        assert "<script>alert(1)</script>" in "".join(page.text)
        html = (site.index.parent / f"{name}.html").read_text(encoding="utf-8")
        assert "<img" not in html
        assert "<!--" not in html
    assert "onerror=alert(1)" in "".join(document(site, "index").text)
    for path in site.index.parent.glob("assets-*/*.js"):
        if path.name not in SCRIPTS:
            text = path.read_text(encoding="utf-8")
            assert "onerror" in text or path.name in ("case.js", "compare.js", "history.js")
            assert not set("<>&\u2028\u2029") & set(text)


def test_the_data_of_every_figure_are_on_its_page(site: Site) -> None:
    for page in FIGURE_PAGES:
        figures = data_of(next(site.index.parent.glob(f"assets-*/{page}.js")))
        assert set(figures) == {spec.name for spec in FIGURES if spec.page == page}
        shown = {value for _, name, value in document(site, page).attributes if name == "data-figure"}
        assert shown == set(figures)
        for figure in figures.values():
            assert all(len(drawing["key"]) == len(figure["split"]) for drawing in figure["drawings"])


def test_a_figure_that_cannot_be_drawn_says_why(records: pd.DataFrame, tmp_path: Path) -> None:
    site = build_site(records.drop(columns="fraction_of_peak"), tmp_path / "site")
    page = document(site, "performance")
    assert "Not drawn: no record has fraction_of_peak." in "".join(page.text)
    assert ("div", "data-figure", "share_of_peak") not in page.attributes


def test_no_records(tmp_path: Path) -> None:
    site = build_site(pd.DataFrame(), tmp_path / "site")
    assert site.records == 0
    for name in PAGES:
        page = document(site, name)
        assert "There are no records." in "".join(page.text)
        assert page.tags.count("script") == 1, "only the one that follows links of a site in one file"


@pytest.mark.parametrize(
    "columns", [["case"], ["case", "status"], ["case", "status", "op", "sqnr_db"], ["status", "time_s"]]
)
def test_few_columns_are_enough(records: pd.DataFrame, tmp_path: Path, columns: list[str]) -> None:
    assert build_site(records[columns], tmp_path / "site").records == len(records)


def test_only_failures(records: pd.DataFrame, tmp_path: Path) -> None:
    site = build_site(records[records["status"] != "ok"], tmp_path / "site")
    assert "Not drawn: no record has the status ok." in "".join(document(site, "index").text)


def test_every_number_infinite(records: pd.DataFrame, tmp_path: Path) -> None:
    infinite = records.assign(**{name: float("inf") for name in ("sqnr_db", "worst_block_sqnr_db", "weight_sqnr_db")})
    assert build_site(infinite, tmp_path / "site").records == len(records)


def test_the_same_records_give_the_same_files(site: Site, records: pd.DataFrame, tmp_path: Path) -> None:
    first, second = site.index.parent, build_site(records, tmp_path / "site").index.parent
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_rebuilding_replaces_the_site(records: pd.DataFrame, tmp_path: Path) -> None:
    build_site(records, tmp_path / "site")
    site = build_site(records.head(3), tmp_path / "site")
    assert len(list(site.index.parent.glob("assets-*"))) == 1
    assert "3 records." in "".join(document(site, "index").text)


def test_a_foreign_folder_is_refused_before_any_work(records: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match="choose another folder"):
        build_site(records, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_pages_have_one_heading_and_mark_where_the_reader_is(site: Site) -> None:
    for name in PAGES:
        page = document(site, name)
        assert page.tags.count("h1") == 1
        assert {"header", "nav", "main", "footer"} <= set(page.tags)
        current = [tag for tag, attribute, value in page.attributes if (attribute, value) == ("aria-current", "page")]
        assert current == ([] if name == "case" else ["a"])
        identities = [value for _, attribute, value in page.attributes if attribute == "id"]
        assert len(identities) == len(set(identities))


def test_a_page_opens_with_the_choice_of_most_cases_with_a_speedup(site: Site) -> None:
    html = (site.index.parent / "performance.html").read_text(encoding="utf-8")
    assert re.findall(r'<option value="([^"]*)" selected>', html) == ["gemm", "H200"]


def test_the_page_of_a_case_is_not_in_the_navigation(site: Site) -> None:
    assert "case.html" not in document(site, "index").references
    assert 'id="case-command"' in (site.index.parent / "case.html").read_text(encoding="utf-8")

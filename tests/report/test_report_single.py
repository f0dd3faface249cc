"""The site in one file: everything is in it, hostile text stays data, nothing else is replaced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import StoreError
from harness.report.page import PAGES, site_files
from harness.report.single import build_single_file


def files_in(text: str) -> dict[str, str]:
    data = re.search(r"globalThis\.harnessFiles = (.*?);\n</script>", text, re.DOTALL)
    assert data
    found: dict[str, str] = json.loads(data.group(1))
    return found


def test_every_file_of_the_site_is_in_it(shared_records: pd.DataFrame, tmp_path: Path) -> None:
    site = build_single_file(shared_records, tmp_path / "deep" / "one.html")
    text = site.index.read_text(encoding="utf-8")
    assert files_in(text) == site_files(shared_records, samples=None, title="Quantization results")
    assert {f"{page.name}.html" for page in PAGES} <= files_in(text).keys()
    assert [path.name for path in site.index.parent.iterdir()] == ["one.html"]


def test_the_pages_policy_is_the_one_that_is_replaced(shared_records: pd.DataFrame) -> None:
    script = (Path(__file__).resolve().parents[2] / "harness" / "report" / "templates" / "single.js").read_text()
    (wanted,) = re.findall(r'\.replace\("([^"]+)", "script-src blob:', script)
    for name, text in site_files(shared_records, samples=None, title="t").items():
        assert (wanted in text) == name.endswith(".html"), name


def test_hostile_text_opens_no_element(hostile: pd.DataFrame, tmp_path: Path) -> None:
    text = build_single_file(
        hostile, tmp_path / "one.html", title="</title><script>alert(1)</script>"
    ).index.read_text()
    assert len(re.findall(r"<script>", text)) == text.count("</script>") == 2
    assert "<img" not in text
    assert not re.search(r"<!--", text)


def test_a_folder_is_refused_and_the_name_of_a_file_suggested(shared_records: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must be a file \(got a folder\); name one, .*report\.html, say"):
        build_single_file(shared_records, tmp_path)


def test_an_earlier_file_stays_when_it_cannot_be_replaced(shared_records: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StoreError, match="could not be written"):
        build_single_file(shared_records, tmp_path / "file" / "one.html")
    assert (tmp_path / "file").read_text() == "kept"

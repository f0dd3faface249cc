"""The data of the records page, and their form as a script."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest

from harness.report.script import assignment
from harness.report.table import table
from harness.report.tidy import tidy


def columns_of(records: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in table(tidy(records))["columns"]}


def values_of(column: dict[str, Any], count: int) -> list[Any]:
    if "constant" in column:
        return [column["constant"]] * count
    if "codes" in column:
        return [None if code < 0 else column["levels"][code] for code in column["codes"]]
    return list(column["values"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sqnr_db", [1.5, math.inf, -math.inf, None]),
        ("moved_bytes", [123456789012345.0, None, 1.0, 2.0]),
        ("kernel", ["a", "b", None, "a"]),
        ("kernel", ["a", "a", "a", "a"]),
        ("case", ["a", "b", "c", "d"]),
        ("time_s", [1e-9, 1e-9, 1e-9, 1e-9]),
    ],
)
def test_values_come_back(name: str, values: list[Any]) -> None:
    column = columns_of(pd.DataFrame({name: values, "status": ["ok"] * 4}))[name]
    back = [{"inf": math.inf, "-inf": -math.inf}.get(value, value) for value in values_of(column, 4)]
    assert back == values


def test_whole_numbers_stay_exact_and_measurements_are_rounded() -> None:
    columns = columns_of(pd.DataFrame({"seed": [2**52 + 1, 0], "time_s": [1.23456789e-5, 1.0]}))
    assert columns["seed"]["values"] == [2**52 + 1, 0]
    assert columns["time_s"]["values"] == [1.234568e-5, 1.0]


def test_columns_without_values_are_left_out_and_unknown_ones_kept(records: pd.DataFrame) -> None:
    columns = columns_of(records)
    assert "prepare_s" not in columns
    assert columns["driver"]["kind"] == "text"
    assert columns["sm_clock_hz"]["kind"] == "hertz"
    assert columns["scheme_label"]["derived"]
    assert not columns["case"]["derived"]


def test_long_texts_are_cut_visibly() -> None:
    column = columns_of(pd.DataFrame({"reason": ["x" * 10_000]}))["reason"]
    assert len(column["constant"]) == 2000
    assert column["constant"].endswith("…")


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "\u2029", "&lt;", 'quote" \\ \n', "µ ∞ ✓"])
def test_script_is_safe_and_means_the_same(text: str) -> None:
    script = assignment("data", {text: [text]})
    head, tail = "globalThis.data = ", ";\n"
    assert script.startswith(head)
    assert script.endswith(tail)
    assert not set("<>&\u2028\u2029") & set(script)
    assert json.loads(script.removeprefix(head).removesuffix(tail)) == {text: [text]}


def test_script_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        assignment("data", [math.inf])

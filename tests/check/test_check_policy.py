"""Policies: the defaults, what a file may say, and where its mistakes are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from harness.check import Policy, load_policy
from harness.compare.accuracy import Tolerance
from harness.errors import PolicyError

DOCS = Path(__file__).resolve().parents[2] / "docs" / "compare.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


def test_what_the_docs_show_are_the_defaults(tmp_path):
    (shown,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert load_policy(written(tmp_path, shown)) == Policy() == load_policy(None)
    assert set(yaml.safe_load(shown)) == set(Policy.model_fields)


def test_one_glob_stands_for_a_list(tmp_path):
    policy = load_policy(written(tmp_path, "cases: gemm/*\nexclude: ['*/tiny*']\n"))
    assert policy.gates("gemm/dp4a/big")
    assert not policy.gates("gemm/dp4a/tiny")
    assert not policy.gates("quantize/affine/big")


def test_tolerances_reach_the_comparison(tmp_path):
    text = "accuracy:\n  figures: [sqnr_db]\n  tolerances:\n  - {case: gemm/*, figure: sqnr_db, absolute: 0.1}\n"
    figures = load_policy(written(tmp_path, text)).figures
    assert figures.compared == ("sqnr_db",)
    assert figures.tolerances == (Tolerance("gemm/*", "sqnr_db", 0.1),)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("speed:\n  ignore_bellow: 0.1\n", "2:3", "unknown key .*did you mean ignore_below"),
        ("speed:\n  ignore_below: 0.001\n", "2:17", "must be at least 0.02"),
        ("unsure: maybe\n", "1:9", "must be 'pass' or 'fail'"),
        ("accuracy: {tolerances: [{figure: sqr_db, absolute: 1}]}\n", "1:34", "must match a compared figure"),
        ("accuracy: {tolerances: [{figure: sqnr_db}]}\n", "1:25", "absolute is missing"),
        ("cases: []\n", "1:8", "needs at least one value"),
        ("a: [\n", "2:1", "must be valid YAML"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, text, place, words):
    path = written(tmp_path, text)
    with pytest.raises(PolicyError) as found:
        load_policy(path)
    assert str(found.value).startswith(f"{path}:{place}: ")
    assert re.search(words, str(found.value)), found.value


def test_a_policy_that_is_not_there(tmp_path):
    with pytest.raises(PolicyError, match="check the path"):
        load_policy(tmp_path / "none.yaml")

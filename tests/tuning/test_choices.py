"""What is known about problems: its keys, its files, and when it no longer holds."""

from __future__ import annotations

import dataclasses
import json

import pytest

from harness.errors import DataError
from harness.kernels.spec import OperandPlan
from harness.numerics.scheme import OperandScheme
from harness.tuning.key import request_key
from harness.tuning.table import SHIPPED, Choice, Known, Table, cached_path, read_table, shipped_choices, write_table

INT4 = OperandScheme("int4", "per_group:128", symmetric=False)
REQUEST = {
    "weight": OperandPlan((64, 256), INT4, dtype="bf16"),
    "activation": OperandPlan((16, 256), None, 1, "bf16"),
}
FAST = Choice("source", 1e-5, {"TILE_N": 128})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def test_a_key_says_all_that_speed_depends_on():
    key = "gemm | activation 16x256 bf16 axis 1 | weight 64x256 bf16 int4/per_group:128/asymmetric"
    assert request_key("gemm", REQUEST) == key
    other = {**REQUEST, "weight": dataclasses.replace(REQUEST["weight"], dtype="f32")}
    assert request_key("gemm", other) != key


def test_how_scales_were_found_does_not_matter():
    searched = dataclasses.replace(REQUEST["weight"], scheme=dataclasses.replace(INT4, calibration="mse"))
    assert request_key("gemm", {**REQUEST, "weight": searched}) == request_key("gemm", REQUEST)


def test_what_is_added_is_found_by_another_process():
    Known("model", "uuid 13.0").add("problem", "kernel", FAST)
    known = Known("model", "uuid 13.0")
    assert known.find("problem", "kernel", "source") == FAST
    assert known.find("problem", "kernel", "changed source") is None
    assert known.find("problem", "other", "source") is None
    assert Known("model", "another card").find("problem", "kernel", "source") is None


@pytest.mark.parametrize("content", ["", "{", '{"version": 0}', '{"version": 1, "choices": 3}', "[]"])
def test_a_file_that_cannot_be_read_is_measured_anew(content):
    path = cached_path("card")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert read_table(path) is None
    known = Known("model", "card")
    known.add("problem", "kernel", FAST)
    assert known.find("problem", "kernel", "source") == FAST


def test_a_cache_that_cannot_be_written_costs_no_case(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(blocked))
    known = Known("model", "card")
    known.add("problem", "kernel", FAST)
    assert known.find("problem", "kernel", "source") == FAST
    with pytest.raises(DataError):
        write_table(cached_path("card"), Table("model", "card", {}))


def test_own_measurements_come_before_shipped_ones(tmp_path, monkeypatch):
    shipped = Choice("source", 2e-5, {"TILE_N": 256})
    monkeypatch.setattr("harness.tuning.table.SHIPPED", tmp_path)
    write_table(tmp_path / "model_A.json", Table("model A", "model A", {"problem": {"kernel": shipped}}))
    shipped_choices.cache_clear()
    known = Known("model A", "card")
    assert known.find("problem", "kernel", "source") == shipped
    known.add("problem", "kernel", FAST)
    assert Known("model A", "card").find("problem", "kernel", "source") == FAST
    shipped_choices.cache_clear()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_files_can_be_read(path):
    table = read_table(path)
    assert table is not None
    assert table.choices
    assert json.loads(path.read_text())["device"] == table.model, "no one card's identity"

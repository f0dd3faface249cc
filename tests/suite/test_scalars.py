"""Words of YAML: numbers are numbers, and what only YAML 1.1 takes for one is text."""

from __future__ import annotations

import math

import pytest

from harness.suite.scalars import construct, resolve

READ = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "true": True,
    "False": False,
    "yes": True,
    "No": False,
    "on": True,
    "OFF": False,
    "0": 0,
    "-0": 0,
    "+12": 12,
    "1_000": 1000,
    "0x1F": 31,
    "0o17": 15,
    "0b101": 5,
    "1.5": 1.5,
    "-.5": -0.5,
    "1.": 1.0,
    "1e-3": 0.001,
    "1E5": 100000.0,
    "2.5e+3": 2500.0,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "1e999": math.inf,
}
TEXT = [
    "1:30",
    "190:20:30",
    "190:20:30.15",
    "per_group:128",
    "010",
    "00",
    "0777",
    "2020-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "y",
    "n",
    "tRUE",
    "1.2.3",
    "1e",
    "e5",
    "0x",
    "0xg",
    "1_",
    "_1",
    "١٢",
    "1e-3x",
    "<<",
    "=",
    "inf",
    "nan",
    "--1",
    "1 2",
]


@pytest.mark.parametrize("text", READ)
def test_read_as(text):
    value = resolve(text)
    assert value == READ[text]
    assert type(value) is type(READ[text])


def test_not_a_number():
    assert math.isnan(resolve(".nan"))


@pytest.mark.parametrize("text", [text for text in TEXT if text != "1_"])
def test_stays_text(text):
    assert resolve(text) == text
    assert isinstance(resolve(text), str)


@pytest.mark.parametrize("text", ["9" * 21, "-" + "9" * 400_000, "0x" + "f" * 400_000])
def test_too_many_digits(text):
    with pytest.raises(ValueError, match="at most 20 digits"):
        resolve(text)


@pytest.mark.parametrize(
    ("tag", "text", "value"), [("str", "12", "12"), ("int", "12", 12), ("float", "12", 12.0), ("bool", "yes", True)]
)
def test_tagged(tag, text, value):
    assert construct(tag, text) == value
    assert type(construct(tag, text)) is type(value)


@pytest.mark.parametrize(
    ("tag", "text"), [("int", "x"), ("int", "1.5"), ("float", "x"), ("bool", "maybe"), ("null", "x")]
)
def test_tag_that_does_not_fit(tag, text):
    with pytest.raises(ValueError, match=f"not a valid {tag}"):
        construct(tag, text)

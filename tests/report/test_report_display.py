from __future__ import annotations

import pytest

from harness.report.columns import Kind
from harness.report.display import for_hover, for_plotly, number, shortened, tick

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, Kind.SECONDS, "–"),
        (NAN, Kind.DECIBEL, "–"),
        (INF, Kind.DECIBEL, "∞"),
        (-INF, Kind.DECIBEL, "−∞"),
        (38.456, Kind.DECIBEL, "38.5 dB"),
        (0.0, Kind.SECONDS, "0 s"),
        (1.234e-5, Kind.SECONDS, "12.3 µs"),
        (0.00099996, Kind.SECONDS, "1.00 ms"),
        (2.5, Kind.SECONDS, "2.50 s"),
        (9.5e-10, Kind.SECONDS, "950 ps"),
        (4.8e12, Kind.BYTES_PER_SECOND, "4.80 TB/s"),
        (1.979e15, Kind.FLOPS_PER_SECOND, "1.98 PFLOP/s"),
        (1.8321, Kind.RATIO, "1.83×"),
        (0.4213, Kind.FRACTION, "42.1 %"),
        (4096, Kind.INTEGER, "4096"),
        (1234567, Kind.INTEGER, "1\u202f234\u202f567"),
        (1.2346e-7, Kind.NUMBER, "1.235e-07"),
    ],
)
def test_number(value: float | None, kind: Kind, text: str) -> None:
    assert number(value, kind) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1e-5, "s", "10 µs"), (2e-3 * (1 - 1e-15), "s", "2 ms"), (1e12, "B/s", "1 TB/s"), (1.5, "×", "1.5×")],
)
def test_tick(value: float, unit: str, text: str) -> None:
    assert tick(value, unit) == text


def test_plotly_shows_markup_as_text() -> None:
    assert for_plotly("<b>&lt;") == "&lt;b&gt;&amp;lt;"


def test_hovers_are_broken_without_losing_text_and_never_within_an_entity() -> None:
    text = "<" * 100 + " " + "part/" * 30
    lines = for_hover(text).split("<br>")
    assert all(line.replace("&lt;", "").isascii() and "<" not in line for line in lines)
    plain = [line.replace("&lt;", "<") for line in lines]
    assert max(map(len, plain)) <= 44
    assert "".join(plain).replace(" ", "") == text.replace(" ", "")


def test_an_empty_hover_is_a_dash() -> None:
    assert for_hover("") == "–"


def test_shortened_shows_that_something_was_cut() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"

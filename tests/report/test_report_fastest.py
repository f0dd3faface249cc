"""Which case is fastest above an SQNR, in words."""

from __future__ import annotations

import pandas as pd

from harness.report.speed_figures import fastest_words
from harness.report.tidy import UNQUANTIZED


def cases(*rows: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["scheme_label", "sqnr_db", "time_s"])
    return frame.assign(kernel="k")


def test_each_level_has_its_answer_and_the_same_answer_is_said_once() -> None:
    told = fastest_words(cases(("fast", 12.0, 1e-6), ("middle", 33.0, 2e-6), ("slow", 45.0, 5e-6)))
    assert told == [
        "Fastest at 10 dB or more: fast by k (1.00 µs, 12.0 dB).",
        "Fastest at 20 dB or more: middle by k (2.00 µs, 33.0 dB).",
        "Fastest at 40 dB or more: slow by k (5.00 µs, 45.0 dB).",
    ]


def test_the_unquantized_case_is_told_where_it_is_faster() -> None:
    told = fastest_words(cases(("w8a8", 25.0, 3e-6), (UNQUANTIZED, 69.0, 2e-6)))
    assert told[-1] == f"For comparison: {UNQUANTIZED} by k (2.00 µs, 69.0 dB)."
    assert len(fastest_words(cases(("w8a8", 25.0, 1e-6), (UNQUANTIZED, 69.0, 2e-6)))) == 1


def test_nothing_good_is_nothing_told() -> None:
    assert fastest_words(cases(("poor", 3.0, 1e-6))) == []

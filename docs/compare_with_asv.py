"""Change points of made histories, by this package and by asv: ``pip install asv && python docs/compare_with_asv.py``.

Prints the table of docs/compare.md. Each series is 60 nights whose logarithms have noise of Student's t of 4 degrees of
freedom, scale 0.3 %; 200 series of each kind; a change within one night of the true one is the true one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.history.changes import find_changes
from harness.history.series import WATCHED, Point, Series

SERIES, NIGHTS, STEP_AT = 200, 60, 40
Times = NDArray[np.float64]


def made(rng: np.random.Generator, kind: str) -> Times:
    times = 1e-3 * np.exp(0.003 * rng.standard_t(4, NIGHTS))
    if kind == "outliers":
        return np.where(rng.random(NIGHTS) < 0.05, times * rng.uniform(1.1, 1.5, NIGHTS), times)
    if kind == "bimodal":
        return times * np.where(rng.random(NIGHTS) < 0.5, 1.0, 1.1)
    if kind.startswith("+"):
        return np.where(np.arange(NIGHTS) < STEP_AT, times, times * (1 + int(kind[1:-2]) / 100))
    return times


def ours(series: Sequence[Times]) -> list[list[int]]:
    nothing = (None,) * len(WATCHED)
    made_series = [
        Series(
            f"c{i}",
            "",
            "",
            "",
            "",
            "",
            tuple(Point(f"{n:04d}", float(t), None, None, None, nothing) for n, t in enumerate(times)),
            (),
        )
        for i, times in enumerate(series)
    ]
    return [[change.index for change in changes] for changes in find_changes(made_series, {})]


def asv(series: Sequence[Times]) -> list[list[int]]:
    from asv.step_detect import detect_steps

    return [[step[0] for step in detect_steps(list(times), None)[1:]] for times in series]


def main() -> None:
    print(
        "| series | true change found: harness | asv | series with a false change: harness | asv |\n|---|--:|--:|--:|--:|"
    )
    for kind in ("steady", "outliers", "bimodal", "+3 %", "+5 %", "+10 %"):
        rng = np.random.default_rng(0)
        series = [made(rng, kind) for _ in range(SERIES)]
        found = [ours(series), asv(series)]
        true = [STEP_AT - 1, STEP_AT, STEP_AT + 1] if kind.startswith("+") else []
        hits = [sum(bool(set(true) & set(each)) for each in own) if true else "–" for own in found]
        false = [sum(bool(set(each) - set(true)) for each in own) for own in found]
        print(f"| {kind} | {hits[0]} | {hits[1]} | {false[0]} | {false[1]} |")


if __name__ == "__main__":
    main()

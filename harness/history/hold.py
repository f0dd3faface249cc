"""A run held against a history: each case's time against the median and MAD of its level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.columns import Row
from harness.compare.accuracy import Figures
from harness.compare.compare import EXACT, compare_sides
from harness.compare.machine import identity
from harness.compare.result import Comparison
from harness.compare.sides import Side
from harness.errors import StoreError
from harness.history.annotations import Annotation, accepted_since
from harness.history.changes import find_changes
from harness.history.levels import Level, level_of
from harness.history.series import Series, series_of
from harness.verdict import CaseVerdict, Change, judged

FEWEST_RUNS = 8
"""Runs of a level that a run is held against: a MAD of fewer says too little."""
_CONFIDENCE = 0.95
_MEDIAN_VARIANCE = np.pi / 2  # of a median of n normal values: π/2 · σ²/n
_FLOOR_SIGMAS = 2.576  # the floor is a 99th percentile of |ratio − 1|
_SMALLEST = 1e-6  # share: no clock tells times further apart


def hold_against(
    history: Side,
    run: Side,
    bands: Mapping[str, float],
    annotations: Sequence[Annotation] = (),
    *,
    noise: Mapping[str, float] | None = None,
    figures: Figures = EXACT,
) -> Comparison:
    """Hold every case of ``run`` against the runs of ``history`` that are older; accuracy and conformance against the
    newest of them. ``bands``: case_id → the change that is none (0.03 is 3 %); ``noise``: case_id → noise floor, the bands
    where it is left out. Raises HarnessError where there is nothing to hold it against."""
    before = earlier(history, run)

    def judge(a: Side, b: Side, pairs: Sequence[tuple[Row, Row]]) -> list[CaseVerdict]:
        series = [_series_like(a, row) for _, row in pairs]
        found = find_changes(series, bands)
        levels = [
            level_of(each, changes, accepted_since(each.case, annotations), bands.get(each.case_id, 0.0))
            for each, changes in zip(series, found, strict=True)
        ]
        return judge_times([row for _, row in pairs], levels, bands, bands if noise is None else noise)

    comparison = compare_sides(before, run, bands, figures=figures, judge=judge)
    return Comparison(
        comparison.a,
        comparison.b,
        comparison.cases,
        comparison.added,
        comparison.removed,
        (*comparison.notes, *_common_notes(comparison)),
    )


def earlier(history: Side, run: Side) -> Side:
    """``history`` without the runs of ``run`` and later ones. Raises StoreError where none is left."""
    first = min(run.run_ids)
    kept = {
        case_id: older
        for case_id, rows in history.records.items()
        if (older := tuple(row for row in rows if row["run_id"] < first))
    }
    if not kept:
        raise StoreError(f"{history.label}: must hold runs from before {first} (got none); run the suite some nights")
    return Side(history.label, kept, history.files)


def judge_times(
    rows: Sequence[Row], levels: Sequence[Level | None], bands: Mapping[str, float], noise: Mapping[str, float]
) -> list[CaseVerdict]:
    """A verdict for each record, all corrected as one set (Benjamini-Hochberg).

    The time's logarithm lies within Student's t of n − 1 degrees of freedom around the level's median, with the MAD as
    its scale: the spread of a new run, and of a median of n. The scale is at least what the noise floor and the record's
    own interval say, so that a few nights that agree by chance do not make a gate of glass. ``slower``: q ≤ 5 %, and the
    95 % interval of the ratio beyond ±max(2 %, band). A band may be what a policy ignores: it widens what counts as
    none, not the scale. Levels of less than FEWEST_RUNS runs are unsure.
    """
    from scipy.stats import false_discovery_control

    figures = [
        None
        if level is None or len(level.times) < FEWEST_RUNS
        else _figures(row, level, noise.get(row["case_id"], 0.0))
        for row, level in zip(rows, levels, strict=True)
    ]
    p = np.array([each[0] for each in figures if each is not None])
    q = iter(false_discovery_control(p).tolist() if p.size else [])
    found: list[CaseVerdict] = []
    for row, level, own in zip(rows, levels, figures, strict=True):
        case_id, floor = row["case_id"], bands.get(row["case_id"], 0.0)
        if own is None:
            count = 0 if level is None else len(level.times)
            reason = f"needs {FEWEST_RUNS} runs of its level (got {count})"
            found.append(CaseVerdict(case_id, Change.UNSURE, None, None, None, None, None, floor, reason))
            continue
        found.append(judged(case_id, floor, *own, q=next(q)))
    return found


def _figures(row: Row, level: Level, floor: float) -> tuple[float, float, float, float]:
    """p, ratio, low and high of one record."""
    from scipy.stats import t

    count = len(level.times)
    scale = max(level.sigma, floor / _FLOOR_SIGMAS, own_error(row), _SMALLEST)
    spread = scale * float(np.sqrt(1 + _MEDIAN_VARIANCE / count))
    distance = float(np.log(row["time_s"] / level.median_s))
    p = float(2 * t.sf(abs(distance) / spread, count - 1))
    reach = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * spread
    low, ratio, high = (float(np.exp(distance + offset)) for offset in (-reach, 0.0, reach))
    return p, ratio, low, high


def own_error(row: Row) -> float:
    """Standard error of the record's median as its own 95 % interval tells it, a share; 0 where there is none."""
    low, high = row["time_low_s"], row["time_high_s"]
    if low is None or high is None or low <= 0:
        return 0.0
    return float(np.log(high / low) / (2 * 1.96))


def _series_like(side: Side, row: Row) -> Series:
    return series_of([each for each in side.records[row["case_id"]] if identity(each) == identity(row)])


def _common_notes(comparison: Comparison) -> list[str]:
    """Where nearly all cases moved alike, it is the machine that did."""
    ratios: NDArray[np.float64] = np.array(
        [case.speed.ratio for case in comparison.cases if case.speed is not None and case.speed.ratio is not None]
    )
    if len(ratios) < 10:
        return []
    middle = float(np.median(ratios))
    alike = float(np.mean(np.abs(np.log(ratios / middle)) < 0.01))
    if abs(middle - 1) < 0.01 or alike < 0.5:
        return []
    return [f"the cases' median ratio is {middle:.3f}, and {alike:.0%} lie within 1 % of it: look at the machine first"]

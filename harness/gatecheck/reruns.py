"""Recorded runs in the order in which they were made: each night is held against those before it, with slowdowns put into it.

Nothing is resampled: what differs from night to night is what differed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.columns import Row
from harness.compare.sides import Side, read_sides
from harness.gatecheck.gates import FIXED_RATIO, Called, called_of
from harness.gatecheck.options import SLOWDOWNS, TARGET_FLOOR
from harness.gatecheck.rates import GateRates, Rates
from harness.history.changes import find_changes
from harness.history.hold import FEWEST_RUNS, judge_times
from harness.history.levels import Level, level_of
from harness.history.series import series_of
from harness.verdict import CasePair, compare_cases

FEWEST_NIGHTS = FEWEST_RUNS + 4
_SLOWED = 0.1  # of the cases of a night
_FLOOR_SIGMAS = 2.576  # a floor is a 99th percentile; a level's sigma tells it where no self-check did


@dataclass(frozen=True, eq=False)
class Night:
    """Tonight's cases with the nights around them: ``rows`` and ``again`` are their records tonight and the night after,
    ``before`` and ``now`` [cases] rounds of the night before and of tonight, seconds."""

    rows: tuple[Row, ...]
    again: tuple[Row, ...]
    levels: tuple[Level | None, ...]
    before: tuple[NDArray[np.float64], ...]
    now: tuple[NDArray[np.float64], ...]

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """Cases whose nights differ by less than the target's floor."""
        return np.array([each is not None and _FLOOR_SIGMAS * each.sigma < TARGET_FLOOR for each in self.levels])


def rerun_rates(
    paths: Sequence[Path], seed: int, say: Callable[[str], None] = lambda message: None
) -> tuple[GateRates, ...]:
    """The gates on each night of each suite from the ``FEWEST_NIGHTS``-th on but the last, which is the second look at the one
    before. Nothing where there are fewer nights."""
    counts = {name: np.zeros((len(SLOWDOWNS), 6), np.int64) for name in GATES}
    for index, night in enumerate(_nights(read_sides(paths))):
        say(f"a night with {FEWEST_NIGHTS - 1} or more before it: {len(night.rows)} cases")
        for place, slowdown in enumerate(SLOWDOWNS):
            slowed = np.zeros(len(night.rows), bool)
            if slowdown:
                rng = np.random.default_rng([seed, index, place])
                slowed[rng.choice(len(slowed), max(1, round(_SLOWED * len(slowed))), replace=False)] = True
            for name, (gate, _) in GATES.items():
                called = gate(night, np.where(slowed, 1 + slowdown, 1.0))
                hit, quiet = slowed & (called > 0), night.quiet
                parts = (slowed, hit, slowed & quiet, hit & quiet, ~slowed, ~slowed & (called != 0))
                counts[name][place] += [int(part.sum()) for part in parts]
    return tuple(
        GateRates(f"{name}, nights as they were", targeted, tuple(map(Rates, SLOWDOWNS, *counts[name].T.tolist())))
        for name, (_, targeted) in GATES.items()
        if counts[name].any()
    )


def _nights(side: Side) -> Iterator[Night]:
    """Those that have enough nights before them and one after, suite by suite."""
    runs: dict[str, set[str]] = {}
    for rows in side.records.values():
        for row in rows:
            runs.setdefault(row["suite"], set()).add(row["run_id"])
    for own in map(sorted, runs.values()):
        for index in range(FEWEST_NIGHTS - 1, len(own) - 1):
            night = _night(side, own[: index + 2])
            if night.rows:
                yield night


def _night(side: Side, runs: Sequence[str]) -> Night:
    """The last but one of ``runs``, of one suite, is tonight."""
    earlier, (before, tonight, after) = frozenset(runs[:-2]), runs[-3:]
    by_run: list[Mapping[str, Row]] = []
    for run in (before, tonight, after):
        found = {key: row for key, own in side.records.items() for row in own if row["run_id"] == run and row["time_s"]}
        by_run.append(found)
    ids = [key for key in by_run[1] if all(key in own for own in by_run)]
    series = [series_of([row for row in side.records[key] if row["run_id"] in earlier]) for key in ids]
    levels = [level_of(one, own, None, 0.0) for one, own in zip(series, find_changes(series, {}), strict=True)]
    before_rounds, now_rounds = (side.rounds([own[key] for key in ids]) for own in by_run[:2])
    nothing = np.empty(0)
    return Night(
        rows=tuple(by_run[1][key] for key in ids),
        again=tuple(by_run[2][key] for key in ids),
        levels=tuple(levels),
        before=tuple(before_rounds.get(key, nothing) for key in ids),
        now=tuple(now_rounds.get(key, nothing) for key in ids),
    )


def history(night: Night, ratios: NDArray[np.float64]) -> Called:
    return _held(night.rows, night, ratios, range(len(night.rows)))


def history_again(night: Night, ratios: NDArray[np.float64]) -> Called:
    """What is called is looked at again the night after."""
    first = history(night, ratios)
    second = _held(night.again, night, ratios, np.flatnonzero(first).tolist())
    return np.where(first == second, first, 0).astype(np.int8)


def _held(rows: Sequence[Row], night: Night, ratios: NDArray[np.float64], chosen: Sequence[int]) -> Called:
    slowed = [{**rows[i], **{name: _times(rows[i][name], ratios[i]) for name in _TIMES}} for i in chosen]
    called = np.zeros(len(rows), np.int8)
    called[list(chosen)] = called_of(judge_times(slowed, [night.levels[i] for i in chosen], {}, {}))
    return called


_TIMES = ("time_s", "time_low_s", "time_high_s")


def _times(value: float | None, ratio: float) -> float | None:
    return None if value is None else value * ratio


def two_runs(night: Night, ratios: NDArray[np.float64]) -> Called:
    pairs = [
        CasePair(row["case_id"], before, now * ratio)
        for row, before, now, ratio in zip(night.rows, night.before, night.now, ratios, strict=True)
    ]
    return called_of(compare_cases(pairs, {}))


def beyond_noise(night: Night, ratios: NDArray[np.float64]) -> Called:
    """Rounds of each side; a side of fewer than two has no noise and calls nothing."""
    called = np.zeros(len(ratios), np.int8)
    for index, (before, now) in enumerate(zip(night.before, night.now, strict=True)):
        if min(len(before), len(now)) > 1:
            noise = min(float(np.std(side, ddof=1) / np.mean(side)) for side in (before, now))
            difference = float(np.mean(now) * ratios[index] / np.mean(before)) - 1
            called[index] = np.sign(difference) if abs(difference) > noise else 0
    return called


def fixed_ratio(night: Night, ratios: NDArray[np.float64]) -> Called:
    medians = [
        (np.median(a), np.median(b)) if len(a) and len(b) else (1.0, 1.0)
        for a, b in zip(night.before, night.now, strict=True)
    ]
    difference = np.array([b / a for a, b in medians]) * ratios - 1
    return np.where(np.abs(difference) > FIXED_RATIO, np.sign(difference), 0).astype(np.int8)


GATES: dict[str, tuple[Callable[[Night, NDArray[np.float64]], Called], bool]] = {
    "check --history --again": (history_again, True),
    "check --history": (history, False),
    "check --against one run": (two_runs, False),
    "rule: beyond the noise": (beyond_noise, False),
    "rule: beyond 5 %": (fixed_ratio, False),
}
"""Name → the gate, and whether it must reach the targets."""

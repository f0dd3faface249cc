"""The gates that are checked: each says of every case of a simulated suite what it became.

Beside this package's gates stand two rules that others use, on the same rounds: a difference beyond the relative standard
deviation of the less noisy side (NVBench's scripts/nvbench_compare.py), and one beyond 5 % (a fixed ratio, as many
dashboards have it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.columns import Row
from harness.gatecheck.noise import Rounds, SessionSource
from harness.gatecheck.options import GatecheckOptions
from harness.history.changes import find_changes
from harness.history.hold import judge_times
from harness.history.levels import Level, level_of
from harness.history.series import WATCHED, Point, Series
from harness.selfcheck.result import noise_floor
from harness.verdict import CasePair, CaseVerdict, Change, compare_cases

FIXED_RATIO = 0.05
_FLOOR_PAIRS = 20  # A/A pairs a case, of which the largest difference is its floor


@dataclass(frozen=True, eq=False)
class World:
    """A suite with what a gate knows of it before tonight: floors (as ``harness selfcheck`` finds them) and levels."""

    suite: SessionSource
    ids: tuple[str, ...]
    floors: dict[str, float]
    levels: tuple[Level | None, ...]


_ENVIRONMENT = (None,) * len(WATCHED)

Called = NDArray[np.int8]
"""[cases]: 1 slower, −1 faster, 0 neither."""
Gate = Callable[[World, NDArray[np.float64], np.random.Generator, GatecheckOptions], Called]
"""World, how many times as long each case takes now [cases] → what the gate says."""


DrawSuite = Callable[[np.random.Generator, int], SessionSource]
"""Makes a suite of so many cases."""


def make_world(rng: np.random.Generator, options: GatecheckOptions, draw: DrawSuite) -> World:
    suite = draw(rng, options.cases)
    ids = tuple(f"c{index}" for index in range(options.cases))
    floors = _floors(suite, ids, rng, options.rounds)
    nights = np.stack([np.median(suite.session(rng, options.rounds), axis=1) for _ in range(options.nights)], axis=1)
    series = [_series(case_id, times) for case_id, times in zip(ids, nights, strict=True)]
    changes = find_changes(series, floors)
    levels = [level_of(one, own, None, floors[one.case_id]) for one, own in zip(series, changes, strict=True)]
    return World(suite, ids, floors, tuple(levels))


def _floors(suite: SessionSource, ids: Sequence[str], rng: np.random.Generator, rounds: int) -> dict[str, float]:
    pairs = [suite.interleaved(rng, rounds) for _ in range(_FLOOR_PAIRS)]
    ratios = np.stack([np.median(b, axis=1) / np.median(a, axis=1) for a, b in pairs], axis=1)
    return {case_id: noise_floor(own.tolist())[0] or 0.0 for case_id, own in zip(ids, ratios, strict=True)}


def _series(case_id: str, times: NDArray[np.float64]) -> Series:
    points = [
        Point(f"{night:05d}", float(time_s), None, None, None, _ENVIRONMENT) for night, time_s in enumerate(times)
    ]
    return Series(case_id, case_id, "simulated", "", "", "", tuple(points), ())


def interleaved(
    world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions
) -> Called:
    a, b = world.suite.interleaved(rng, options.rounds)
    return _compared(world, a, b * ratios[:, None])


def two_runs(world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions) -> Called:
    a, b = (world.suite.session(rng, options.rounds) for _ in range(2))
    return _compared(world, a, b * ratios[:, None])


def _compared(world: World, a: Rounds, b: Rounds) -> Called:
    return called_of(compare_cases(list(map(CasePair, world.ids, a, b)), world.floors))


def history(world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions) -> Called:
    times = np.median(world.suite.session(rng, options.rounds), axis=1) * ratios
    return _held(world, times, list(range(len(times))))


def history_again(
    world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions
) -> Called:
    """What is called is measured again, and only what is called so again counts."""
    first = history(world, ratios, rng, options)
    chosen = np.flatnonzero(first)
    times = np.median(world.suite.session(rng, options.rounds), axis=1) * ratios
    second = _held(world, times, chosen.tolist())
    return np.where(first == second, first, 0).astype(np.int8)


def _held(world: World, times: NDArray[np.float64], chosen: Sequence[int]) -> Called:
    rows: list[Row] = [
        {"case_id": world.ids[i], "time_s": float(times[i]), "time_low_s": None, "time_high_s": None} for i in chosen
    ]
    called = np.zeros(len(times), np.int8)
    called[list(chosen)] = called_of(judge_times(rows, [world.levels[i] for i in chosen], world.floors, world.floors))
    return called


def beyond_noise(
    world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions
) -> Called:
    a, b = (world.suite.session(rng, options.rounds) for _ in range(2))
    b = b * ratios[:, None]
    noise = np.minimum(*(np.std(side, axis=1, ddof=1) / np.mean(side, axis=1) for side in (a, b)))
    difference = np.mean(b, axis=1) / np.mean(a, axis=1) - 1
    return np.where(np.abs(difference) > noise, np.sign(difference), 0).astype(np.int8)


def fixed_ratio(
    world: World, ratios: NDArray[np.float64], rng: np.random.Generator, options: GatecheckOptions
) -> Called:
    a, b = (np.median(world.suite.session(rng, options.rounds), axis=1) for _ in range(2))
    difference = b * ratios / a - 1
    return np.where(np.abs(difference) > FIXED_RATIO, np.sign(difference), 0).astype(np.int8)


def called_of(verdicts: Sequence[CaseVerdict]) -> Called:
    signs = {Change.SLOWER: 1, Change.FASTER: -1}
    return np.array([signs.get(each.verdict, 0) for each in verdicts], np.int8)


GATES: dict[str, tuple[Gate, bool]] = {
    "A/B interleaved": (interleaved, True),
    "check --history --again": (history_again, True),
    "check --history": (history, False),
    "check --against one run": (two_runs, False),
    "rule: beyond the noise": (beyond_noise, False),
    "rule: beyond 5 %": (fixed_ratio, False),
}
"""Name → the gate, and whether it must reach the targets. The others are there to be compared with."""

"""Suites whose noise is that of recorded samples: cases are drawn from records, and measured again by resampling them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.gatecheck.noise import Rounds
from harness.store import read_samples

_BOOTSTRAPS = 64
"""Medians of each recorded round's resampled samples, among which a measurement draws."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Records with as many rounds as are asked for. ``medians`` [records, rounds, bootstraps]: seconds, rounds beyond a
    record's own ``rounds`` [records] unused. ``records`` of each case: its records' indices, one a run."""

    medians: NDArray[np.float64]
    rounds: NDArray[np.int64]
    records: tuple[NDArray[np.int64], ...]
    passed_over: int


def read_recorded(paths: Sequence[Path], fewest: int) -> Recorded:
    """The samples below ``paths``. Records of fewer than ``fewest`` rounds are passed over. Raises HarnessError where none is
    left."""
    samples = read_samples(paths)
    rng = np.random.default_rng(0)
    made: list[NDArray[np.float64]] = []
    by_case: dict[str, list[int]] = {}
    passed_over = 0
    for (case_id, _), own in samples.groupby(["case_id", "run_id"], sort=True):
        rounds = [np.asarray(each) for _, each in own.groupby("round", sort=True)["time_s"]]
        if len(rounds) < fewest or min(each.min() for each in rounds) <= 0:
            passed_over += 1
            continue
        by_case.setdefault(str(case_id), []).append(len(made))
        made.append(np.stack([_medians(each, rng) for each in rounds]))
    if not made:
        raise HarnessError(
            f"--samples: must hold records of at least {fewest} rounds (got {passed_over} of fewer); lower --rounds"
        )
    lengths = np.array([len(each) for each in made])
    medians = np.ones((len(made), int(lengths.max()), _BOOTSTRAPS))
    for index, each in enumerate(made):
        medians[index, : len(each)] = each
    return Recorded(medians, lengths, tuple(np.array(each) for each in by_case.values()), passed_over)


def _medians(samples: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    chosen = rng.integers(0, len(samples), (_BOOTSTRAPS, len(samples)))
    found: NDArray[np.float64] = np.median(samples[chosen], axis=1)
    return found


@dataclass(frozen=True, eq=False)
class RecordedSuite:
    """``cases`` [cases]: which recorded case each is.

    A session is one of the case's records, from a random round on and from its end to its beginning again, so that drift,
    steps and bursts stay what they were; each round's samples are resampled. Where a case was recorded once, its sessions
    do not differ as nights do.
    """

    recorded: Recorded
    cases: NDArray[np.int64]

    @classmethod
    def drawn(cls, recorded: Recorded, rng: np.random.Generator, cases: int) -> RecordedSuite:
        """Each recorded case as often as any other, or once more."""
        count = len(recorded.records)
        order = np.concatenate([rng.permutation(count) for _ in range(-(-cases // count))])
        return cls(recorded, order[:cases])

    def session(self, rng: np.random.Generator, rounds: int) -> Rounds:
        """A record of each case by itself."""
        return self._course(rng, rounds)

    def interleaved(self, rng: np.random.Generator, rounds: int) -> tuple[Rounds, Rounds]:
        """Two sides of each case in one session, A B, B A, A B, …"""
        course = self._course(rng, 2 * rounds)
        order = np.arange(rounds)
        first, second = 2 * order + order % 2, 2 * order + 1 - order % 2
        return course[:, first], course[:, second]

    def _course(self, rng: np.random.Generator, rounds: int) -> Rounds:
        chosen = np.array([rng.choice(self.recorded.records[case]) for case in self.cases])
        lengths = self.recorded.rounds[chosen]
        places = (rng.integers(0, lengths)[:, None] + np.arange(rounds)) % lengths[:, None]
        found: Rounds = self.recorded.medians[chosen[:, None], places, rng.integers(0, _BOOTSTRAPS, places.shape)]
        return found

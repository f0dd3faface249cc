"""A suite whose noise is known: rounds of every case, with what makes real ones hard to compare.

All of it is relative to a case's time. Rounds are heavy-tailed (Student's t of 3 degrees of freedom: few moments, many
outliers). A session, which is one record's measurement, has an offset of its own (memory placement, other load), drifts
from its beginning to its end, and now and then the clock steps down in its midst. Now and then a whole session is slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rounds = NDArray[np.float64]
"""[cases, rounds], seconds."""

_TAIL = 3.0
_MEDIAN_NOISE, _NOISE_SPREAD = 0.003, 0.8  # of rounds: from about 0.06 % to 1.5 % in nearly all cases
_OFFSET = 0.5  # of a session, in units of the case's noise of rounds
_DRIFT = 0.005  # standard deviation, over a session
_STEP_CHANCE, _STEP = 0.02, (0.02, 0.08)
_SLOW_CHANCE, _SLOW = 0.005, (0.05, 0.3)


class SessionSource(Protocol):
    """What gates are checked on: cases that can be measured as often as one likes."""

    def session(self, rng: np.random.Generator, rounds: int) -> Rounds:
        """A record of each case by itself."""

    def interleaved(self, rng: np.random.Generator, rounds: int) -> tuple[Rounds, Rounds]:
        """Two sides of each case in one session, A B, B A, A B, …"""


@dataclass(frozen=True, eq=False)
class Suite:
    """``time_s`` and ``noise`` (a share) of each case."""

    time_s: NDArray[np.float64]
    noise: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, cases: int) -> Suite:
        time_s = np.exp(rng.uniform(np.log(3e-6), np.log(3e-3), cases))
        return cls(time_s, _MEDIAN_NOISE * np.exp(_NOISE_SPREAD * rng.standard_normal(cases)))

    def session(self, rng: np.random.Generator, rounds: int) -> Rounds:
        """A record of each case by itself."""
        cases = len(self.time_s)
        slow = np.where(rng.random(cases) < _SLOW_CHANCE, rng.uniform(*_SLOW, cases), 0.0)
        offset = _OFFSET * self.noise * rng.standard_normal(cases) + slow
        return self._times(rng, self._course(rng, rounds) + offset[:, None])

    def interleaved(self, rng: np.random.Generator, rounds: int) -> tuple[Rounds, Rounds]:
        """Two sides of each case in one session, A B, B A, A B, …: what the machine does, it does to both."""
        course = self._course(rng, 2 * rounds)
        order = np.arange(rounds)
        first, second = 2 * order + order % 2, 2 * order + 1 - order % 2
        return self._times(rng, course[:, first]), self._times(rng, course[:, second])

    def _course(self, rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
        """Drift and steps of the clock [cases, rounds], shares."""
        cases, place = len(self.time_s), np.linspace(0, 1, rounds)
        drift = _DRIFT * rng.standard_normal((cases, 1)) * place
        steps = np.where(rng.random(cases) < _STEP_CHANCE, rng.uniform(*_STEP, cases), 0.0)
        course: NDArray[np.float64] = drift + steps[:, None] * (place >= rng.random((cases, 1)))
        return course

    def _times(self, rng: np.random.Generator, course: NDArray[np.float64]) -> Rounds:
        own = self.noise[:, None] * rng.standard_t(_TAIL, course.shape)
        times: Rounds = self.time_s[:, None] * np.exp(course + own)
        return times

"""What a user may ask. Light, so that the command line can show its defaults without loading the rest."""

from __future__ import annotations

from dataclasses import dataclass

SLOWDOWNS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
"""Shares; 0 is A/A."""
TARGET_FALSE = 0.005
"""Share of cases that a gate may call slower or faster at A/A."""
TARGET_FOUND = 0.95
"""Share of slowdowns of 5 % that a gate must find where the noise floor is under 2 %."""
TARGET_SLOWDOWN, TARGET_FLOOR = 0.05, 0.02


@dataclass(frozen=True)
class GatecheckOptions:
    """``cases`` a suite, of which ``slowed`` get slower; ``repeats`` suites; ``nights`` of history; ``rounds`` a record."""

    cases: int = 1000
    slowed: int = 100
    repeats: int = 3
    nights: int = 30
    rounds: int = 10
    seed: int = 0

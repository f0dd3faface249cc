"""What a user may ask of a self-check. Light, so that the command line can show its defaults without loading the rest."""

from __future__ import annotations

from dataclasses import dataclass

TARGET_RATE = 0.005
"""Share of false verdicts that an instrument may reach."""


@dataclass(frozen=True)
class SelfcheckOptions:
    """``pairs`` in all, spread over the cases, at least one each; each of ``rounds`` a side, a round of at most
    ``samples`` samples. 2000 pairs tell a rate of 0.5 % from none."""

    pairs: int = 200
    rounds: int = 10
    samples: int = 20
    offline: bool = False

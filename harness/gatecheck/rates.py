"""How often each gate finds a slowdown, and how often one that is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.gatecheck.gates import GATES, DrawSuite, make_world
from harness.gatecheck.noise import Suite
from harness.gatecheck.options import (
    SLOWDOWNS,
    TARGET_FALSE,
    TARGET_FLOOR,
    TARGET_FOUND,
    TARGET_SLOWDOWN,
    GatecheckOptions,
)


@dataclass(frozen=True)
class Rates:
    """At one ``slowdown`` (a share): of ``slowed`` cases ``found`` were called slower; of these, ``quiet`` have a noise floor
    under 2 %, of which ``quiet_found`` were; of ``unchanged`` cases ``false`` were called slower or faster."""

    slowdown: float
    slowed: int
    found: int
    quiet: int
    quiet_found: int
    unchanged: int
    false: int

    @property
    def false_rate(self) -> float:
        return self.false / self.unchanged

    @property
    def found_rate(self) -> float | None:
        return self.found / self.slowed if self.slowed else None

    @property
    def quiet_rate(self) -> float | None:
        return self.quiet_found / self.quiet if self.quiet else None


@dataclass(frozen=True)
class GateRates:
    """A gate at every slowdown, 0 first. ``targeted``: it must reach the targets."""

    gate: str
    targeted: bool
    rates: tuple[Rates, ...]

    @property
    def reaches_targets(self) -> bool:
        """At most 0.5 % false alarms at A/A, and at least 95 % of slowdowns of 5 % where the floor is under 2 %."""
        (nothing,) = (each for each in self.rates if each.slowdown == 0)
        (target,) = (each for each in self.rates if each.slowdown == TARGET_SLOWDOWN)
        return nothing.false_rate <= TARGET_FALSE and (target.quiet_rate or 0.0) >= TARGET_FOUND


def measure_rates(
    options: GatecheckOptions, say: Callable[[str], None] = lambda message: None, draw: DrawSuite = Suite.drawn
) -> tuple[GateRates, ...]:
    """Draw ``options.repeats`` suites (simulated ones, by default) and ask every gate. The same options give the same rates."""
    counts = {name: np.zeros((len(SLOWDOWNS), 6), np.int64) for name in GATES}
    for repeat in range(options.repeats):
        say(f"[{repeat + 1}/{options.repeats}] {options.cases} cases, {options.nights} nights")
        world = make_world(np.random.default_rng([options.seed, repeat]), options, draw)
        quiet = np.array([world.floors[each] < TARGET_FLOOR for each in world.ids])
        for index, slowdown in enumerate(SLOWDOWNS):
            for name, (gate, _) in GATES.items():
                # Every gate sees the same slowed cases and its own noise.
                rng = np.random.default_rng([options.seed, repeat, index])
                slowed = np.zeros(options.cases, bool)
                if slowdown:
                    slowed[rng.choice(options.cases, options.slowed, replace=False)] = True
                called = gate(world, np.where(slowed, 1 + slowdown, 1.0), rng, options)
                hit = slowed & (called > 0)
                parts = (slowed, hit, slowed & quiet, hit & quiet, ~slowed, ~slowed & (called != 0))
                counts[name][index] += [int(part.sum()) for part in parts]
    return tuple(
        GateRates(
            name,
            targeted,
            tuple(Rates(each, *row) for each, row in zip(SLOWDOWNS, counts[name].tolist(), strict=True)),
        )
        for name, (_, targeted) in GATES.items()
    )

"""Few of many specialisations, such that whatever goes wrong by one value of a macro, or by two together, is still seen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations

from harness.kernels.specialisation import Specialisation

Features = frozenset[tuple[Hashable, ...]]


def values_of(each: Specialisation) -> Features:
    """Its source, with each of its macros' values."""
    return frozenset([(each.source,), *((each.source, macro) for macro in each.macros)])


def pairs_of(each: Specialisation) -> Features:
    """Its source, with every two of its macros' values."""
    return frozenset((each.source, *two) for two in combinations(each.macros, 2))


def covering(planned: Mapping[str, Sequence[Specialisation]]) -> dict[str, tuple[Specialisation, ...]]:
    """Of those planned for each architecture a few: each value of each macro of a source is there for every architecture, and
    every two values that stand together anywhere are there for one at least. Greedy: the one that adds most is next."""
    chosen: dict[str, list[Specialisation]] = {name: [] for name in planned}
    met: set[tuple[Hashable, ...]] = set()
    for name, those in planned.items():
        features = {each: (values_of(each), pairs_of(each)) for each in those}
        left = {value for values, _ in features.values() for value in values}
        while left:
            best = max(features, key=lambda each: (len(features[each][0] & left), len(features[each][1] - met)))
            values, pairs = features.pop(best)
            chosen[name].append(best)
            left -= values
            met |= pairs
    turn = 0
    names = tuple(planned)
    everywhere = dict.fromkeys(each for those in planned.values() for each in those)
    rest = {each: pairs_of(each) - met for each in everywhere}
    while rest := {each: left for each, pairs in rest.items() if (left := pairs - met)}:
        best = max(rest, key=lambda each: len(rest[each]))
        takers = [name for name in names[turn:] + names[:turn] if best in planned[name]]
        chosen[takers[0]].append(best)
        turn = (turn + 1) % len(names)
        met |= rest[best]
    return {name: tuple(those) for name, those in chosen.items()}

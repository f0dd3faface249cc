"""Few of many specialisations, such that whatever goes wrong by one value of a macro is still seen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from harness.kernels.specialisation import Specialisation

Features = frozenset[tuple[Hashable, ...]]


def values_of(each: Specialisation) -> Features:
    """Its source, with each of its macros' values."""
    return frozenset([(each.source,), *((each.source, macro) for macro in each.macros)])


def covering(planned: Mapping[str, Sequence[Specialisation]]) -> dict[str, tuple[Specialisation, ...]]:
    """Of those planned for each architecture a few: each source is there for every architecture that it is planned for, and each
    value of each of its macros for one at least. Greedy: the one that adds most is next; architectures take turns."""
    chosen: dict[str, list[Specialisation]] = {name: [] for name in planned}
    met: set[tuple[Hashable, ...]] = set()
    for name, those in planned.items():
        by_source: dict[str, list[Specialisation]] = {}
        for each in those:
            by_source.setdefault(each.source, []).append(each)
        for same in by_source.values():
            best = max(same, key=lambda each: len(values_of(each) - met))
            chosen[name].append(best)
            met |= values_of(best)
    turn = 0
    names = tuple(planned)
    everywhere = dict.fromkeys(each for those in planned.values() for each in those)
    rest = {each: values_of(each) for each in everywhere}
    while rest := {each: left for each, values in rest.items() if (left := values - met)}:
        best = max(rest, key=lambda each: len(rest[each]))
        takers = [name for name in names[turn:] + names[:turn] if best in planned[name]]
        chosen[takers[0]].append(best)
        turn = (turn + 1) % len(names)
        met |= rest[best]
    return {name: tuple(those) for name, those in chosen.items()}

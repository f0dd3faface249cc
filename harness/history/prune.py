"""Which runs of a history may go, and their going."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.compare.machine import identity
from harness.compare.sides import Side
from harness.history.model import History
from harness.store.files import JOURNAL_SUFFIX, explained
from harness.store.samples import samples_path


@dataclass(frozen=True)
class OldRun:
    """A run that may go: its file of results, and that of its samples where there is one."""

    run_id: str
    results: Path

    def files(self, *, samples_only: bool) -> list[Path]:
        """In the order in which they go: results last, so that what is interrupted leaves no samples without their results."""
        samples = samples_path(self.results)
        return [*([samples] if samples.is_file() else []), *([] if samples_only else [self.results])]


@dataclass(frozen=True)
class Pruning:
    """``needed``: older runs that stay, because a case is slower now than the level that they make."""

    old: tuple[OldRun, ...]
    kept: tuple[str, ...]
    needed: tuple[str, ...]

    def files(self, *, samples_only: bool = False) -> list[Path]:
        return [path for run in self.old for path in run.files(samples_only=samples_only)]


def plan_pruning(side: Side, history: History, keep: int) -> Pruning:
    """What may go where the newest ``keep`` runs of each suite and machine stay.

    Runs of the level that a slower case is held against stay too: without them the slowdown would become the level, and the
    gate would be used to it. So do runs that are not finished. ``history`` is that of all cases of ``side``.
    """
    newest = _newest(side, keep)
    levels = {run for case in history.cases if case.is_regressed and case.level is not None for run in case.level.runs}
    finished = {run for run, path in side.files.items() if not path.name.endswith(JOURNAL_SUFFIX)}
    old = sorted(finished - newest - levels)
    return Pruning(
        tuple(OldRun(run, side.files[run]) for run in old),
        tuple(sorted(side.files.keys() - set(old))),
        tuple(sorted(levels - newest)),
    )


def _newest(side: Side, keep: int) -> frozenset[str]:
    runs: dict[tuple[object, ...], set[str]] = {}
    for rows in side.records.values():
        for row in rows:
            runs.setdefault((row["suite"], *identity(row)), set()).add(row["run_id"])
    return frozenset(run for own in runs.values() for run in sorted(own)[-keep:])


def size_of(paths: Iterable[Path]) -> int:
    """Bytes on disk."""
    return sum(path.stat().st_size for path in paths)


def remove(paths: Iterable[Path]) -> None:
    """Delete files; one that has gone already is none the less gone. Raises StoreError where the system refuses."""
    for path in paths:
        with explained(path, "remove"):
            path.unlink(missing_ok=True)

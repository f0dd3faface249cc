"""Accuracy is deterministic: figures of two records are the same, or something changed. No statistics.

The figures are functions of the kernel's whole output (of the rows that are checked), so that outputs that differ show in
them. A tolerance applies only where one is declared.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.columns import Row
from harness.compare.result import Accuracy, FigureChange
from harness.kernels import all_kernels
from harness.numerics.metrics import METRICS

HIGHER, LOWER = "higher", "lower"

FIGURES: dict[str, str | None] = {
    **{row.name: row.better for row in METRICS.values()},
    "weight_sqnr_db": HIGHER,
    "activation_sqnr_db": HIGHER,
    "nan_count": LOWER,
    "inf_count": LOWER,
    "code_mismatches": LOWER,
    "bound_used": LOWER,
    "worst_block_mse": LOWER,
    "bits_per_element": LOWER,
    "signal_power": None,
    "max_error_index": None,
    "worst_block": None,
    "code_entropy_bits": None,
    "codes_used": None,
}
"""Column → which direction is better; None where a change is only a change."""


@dataclass(frozen=True)
class Tolerance:
    """Changes of ``figure`` (a glob) of at most ``absolute`` are none, in the cases that ``case`` (a glob) names."""

    case: str
    figure: str
    absolute: float


@dataclass(frozen=True)
class Figures:
    """Which figures are compared (globs), and the tolerances that are declared."""

    compared: tuple[str, ...] = ("*",)
    tolerances: tuple[Tolerance, ...] = ()

    def of(self, case: str) -> dict[str, float | None]:
        """Figure → its tolerance in a case; None where none is declared."""
        own = [each for each in self.tolerances if fnmatch.fnmatchcase(case, each.case)]
        chosen = [name for name in FIGURES if any(fnmatch.fnmatchcase(name, each) for each in self.compared)]
        return {
            name: next((each.absolute for each in own if fnmatch.fnmatchcase(name, each.figure)), None)
            for name in chosen
        }


def compare_accuracy(a: Row, b: Row, figures: Figures) -> tuple[Accuracy, tuple[FigureChange, ...], str | None]:
    """The verdict, the figures that changed, and why there is no verdict where there is none.

    Of kernels whose sums atomics order, only figures with a declared tolerance are compared.
    """
    if a["status"] != "ok" or b["status"] != "ok":
        return Accuracy.NOT_COMPARED, (), None
    if a["reference_rows"] != b["reference_rows"] and None not in (a["reference_rows"], b["reference_rows"]):
        reason = f"other rows were checked ({a['reference_rows']}, then {b['reference_rows']})"
        return Accuracy.NOT_COMPARED, (), reason
    tolerances = figures.of(str(b["case"]))
    if (b["op"], b["kernel"]) in _reordering():
        tolerances = {name: tolerance for name, tolerance in tolerances.items() if tolerance is not None}
        if not tolerances:
            return (
                Accuracy.NOT_COMPARED,
                (),
                "atomics order its sums: its bound judges it, unless a tolerance is declared",
            )
    changes = tuple(
        change
        for name, tolerance in tolerances.items()
        if (change := _change(name, a[name], b[name], tolerance or 0.0))
    )
    return _verdict(changes), changes, None


@functools.cache
def _reordering() -> frozenset[tuple[str, str]]:
    return frozenset((spec.op, spec.name) for spec in all_kernels() if spec.reorders_sums)


def _change(name: str, a: float | None, b: float | None, tolerance: float) -> FigureChange | None:
    """None where the figure is the same, or one side (of another version) does not have it."""
    if a is None or b is None or a == b or abs(b - a) <= tolerance:
        return None
    direction = FIGURES[name]
    better = None if direction is None else bool(b > a) == (direction == HIGHER)
    return FigureChange(name, a, b, better)


def _verdict(changes: Sequence[FigureChange]) -> Accuracy:
    if any(change.better is False for change in changes):
        return Accuracy.WORSE
    if any(change.better for change in changes):
        return Accuracy.BETTER
    return Accuracy.CHANGED if changes else Accuracy.SAME

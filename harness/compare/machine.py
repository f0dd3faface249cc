"""Whether two records are of the same machine, and what else differed around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.columns import Row

_IDENTITY = {"cuda": ("gpu", "mig"), "cpu": ("cpu", "cpu_threads")}
"""What makes a machine another one, by the backend that ran the case: times are not held against each other then."""

NOTED = (
    *("driver_version", "cuda_driver", "nvrtc_version", "onnxruntime_version", "cupy_version", "numpy_version"),
    *("power_limit_w", "ecc", "gpu_uuid", "cpu_features", "os", "python_version", "harness_version", "git_commit"),
)
"""What is noted where it differs; times are compared all the same."""

_CASE_WORDS = ("suite", "case")


def identity(row: Row) -> tuple[object, ...]:
    """Equal for records of the same kind of machine."""
    return (row["backend"], *(row[name] for name in _IDENTITY[row["backend"]]))


def other_machine(a: Row, b: Row) -> str | None:
    """Why the times of two records are not to be held against each other, or None."""
    if identity(a) == identity(b):
        return None
    names = _IDENTITY[b["backend"]]
    told = [f"{name} {a[name] or 'unknown'}, then {b[name] or 'unknown'}" for name in names if a[name] != b[name]]
    return f"measured on another machine ({'; '.join(told)})"


def environment_notes(pairs: Iterable[tuple[Row, Row]]) -> list[str]:
    """One line for each column of the environment that differs, and on how many cases."""
    found: Counter[tuple[str, object, object]] = Counter()
    for a, b in pairs:
        found.update((name, a[name], b[name]) for name in NOTED if a[name] != b[name] and a[name] and b[name])
    return [
        f"{name}: {a} → {b} ({count} cases)" for (name, a, b), count in sorted(found.items(), key=lambda x: x[0][0])
    ]


def unjoined_notes(removed: Iterable[Row], added: Iterable[Row]) -> list[str]:
    """Cases of the same words that do not join, because they were measured in another way."""
    before = {tuple(row[name] for name in _CASE_WORDS): row for row in removed}
    found: Counter[tuple[str, object, object]] = Counter()
    for row in added:
        other = before.get(tuple(row[name] for name in _CASE_WORDS))
        if other is not None:
            found.update((name, other[name], row[name]) for name in ("l2", "mode", "seed") if other[name] != row[name])
    return [
        f"{count} cases differ in {name} ({a}, then {b}): other measurements, not joined"
        for (name, a, b), count in found.items()
    ]

"""What the overview page states in words and tables: what ran, how it ended, and which schemes did best."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.report.columns import COLUMN_OF, STATUSES, Kind
from harness.report.display import MISSING, number, shortened, with_prefix
from harness.report.speed_figures import geometric_means_of
from harness.report.style import Look, look
from harness.report.tidy import UNQUANTIZED, natural_key, recommendable

SHOWN_VALUES = 6
SHOWN_REASONS = 10
REASON_LENGTH = 300
BEST = 5
PAIRS = 6

_DERIVED = {
    "scheme_label", "shape_label", "device_label", "operand_format", "operand_granularity", "operand_calibration",
    "real", "scheme_rank", "kernel_rank", "calibration_rank",
}  # fmt: skip
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?$")


@dataclass(frozen=True)
class Fact:
    """One line of the definition list."""

    term: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class DevicePair:
    """Two devices that ran the same cases: their newest runs that share the most."""

    a: str
    b: str
    suite: str
    run_a: str
    run_b: str
    cases: int


@dataclass(frozen=True)
class StatusCount:
    status: str
    count: int
    share: str


@dataclass(frozen=True)
class ReasonCount:
    status: str
    reason: str
    count: int


@dataclass(frozen=True)
class BestRow:
    """One scheme of a table of the best: the look it has in figures, and its figures as text."""

    scheme: str
    look: Look
    kernel: str
    sqnr: str
    speed: str
    bits: str
    cases: int


@dataclass(frozen=True)
class BestTable:
    title: str
    op: str
    device: str
    speed_title: str
    by_accuracy: tuple[BestRow, ...]
    by_speed: tuple[BestRow, ...]


@dataclass(frozen=True)
class Overview:
    """Everything that ``index.html`` states beside its figure."""

    facts: tuple[Fact, ...]
    devices: tuple[DevicePair, ...]
    environment: tuple[Fact, ...]
    statuses: tuple[StatusCount, ...]
    reasons: tuple[ReasonCount, ...]
    further_reasons: int
    best: tuple[BestTable, ...]


def overview(records: pd.DataFrame) -> Overview:
    """Summarize tidy records."""
    reasons = _reasons(records)
    return Overview(
        facts=_facts(records),
        devices=device_pairs(records),
        environment=environment(records),
        statuses=_statuses(records),
        reasons=tuple(reasons[:SHOWN_REASONS]),
        further_reasons=max(0, len(reasons) - SHOWN_REASONS),
        best=_best_tables(records),
    )


def _runs(column: pd.Series) -> tuple[str, ...]:
    """The newest runs, and how many more there are; ids begin with their time."""
    runs = sorted({str(run) for run in column.dropna()}, reverse=True)
    if not runs:
        return (MISSING,)
    more = (f"and {len(runs) - SHOWN_VALUES + 1:,} older ones",) if len(runs) > SHOWN_VALUES else ()
    return (*runs[: SHOWN_VALUES - len(more)], *more)


def device_pairs(records: pd.DataFrame) -> tuple[DevicePair, ...]:
    """Devices that can be held side by side, at most ``PAIRS``: of each pair the suite with the most timed cases in common,
    and its newest runs there."""
    timed = records[(records["status"] == "ok") & records["time_s"].notna()].dropna(
        subset=["suite", "run_id", "case_id"]
    )
    newest: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
    for (suite, device, run), rows in timed.groupby(["suite", "device_label", "run_id"], sort=True):
        newest[str(suite), str(device)] = (str(run), frozenset(rows["case_id"]))
    best: dict[tuple[str, str], DevicePair] = {}
    for (suite, a), (run_a, cases_a) in newest.items():
        for (other, b), (run_b, cases_b) in newest.items():
            common = len(cases_a & cases_b)
            if suite == other and a < b and common > (best[a, b].cases if (a, b) in best else 0):
                best[a, b] = DevicePair(a, b, suite, run_a, run_b, common)
    return tuple(sorted(best.values(), key=lambda pair: (-pair.cases, pair.a, pair.b))[:PAIRS])


def environment_columns(records: pd.DataFrame) -> list[str]:
    """The columns that are neither documented nor derived."""
    return [str(name) for name in records.columns if name not in COLUMN_OF and name not in _DERIVED]


_FACTS: tuple[tuple[str, str], ...] = (
    ("Suites", "suite"),
    ("Operations", "op"),
    ("Devices", "device_label"),
    ("Backends", "backend"),
)


def _facts(records: pd.DataFrame) -> tuple[Fact, ...]:
    facts = [Fact(term, _distinct(records[column])) for term, column in _FACTS]
    counts = [
        f"{records['kernel'].nunique():,} kernels",
        f"{records['scheme_label'].nunique():,} schemes",
        f"{records['shape_label'].nunique():,} shapes",
    ]
    return (*facts, Fact("Runs", _runs(records["run_id"])), Fact("Extent", (f"{len(records):,} records", *counts)))


def environment(records: pd.DataFrame) -> tuple[Fact, ...]:
    """One fact per environment column that has a value, and what the machine did while it was measured: its values, or
    their range where they are many."""
    names = [*environment_columns(records), *(name for name in _MACHINE if name in records.columns)]
    known = [name for name in names if records[name].notna().any()]
    return tuple(_environment_fact(name, records[name]) for name in known)


_MACHINE = ("started_at", "sm_clock_hz", "memory_clock_hz", "power_w", "temperature_c", "throttle_reasons")

# Names end in their unit.
_UNITS: tuple[tuple[str, str], ...] = (
    ("_bytes_per_s", "B/s"),
    ("_flops_per_s", "FLOP/s"),
    ("_bytes", "B"),
    ("_hz", "Hz"),
    ("_w", "W"),
    ("_c", "°C"),
    ("_s", "s"),
)


def _environment_fact(name: str, column: pd.Series) -> Fact:
    suffix, unit = next(((end, unit) for end, unit in _UNITS if name.endswith(end)), ("", ""))
    if not unit or not pd.api.types.is_numeric_dtype(column.dtype):
        return Fact(name.replace("_", " "), _distinct(column))
    values = sorted(column.dropna().unique())
    texts = tuple(with_prefix(value, unit) for value in values)
    term = name.removesuffix(suffix).replace("_", " ")
    return Fact(term, texts if len(texts) <= SHOWN_VALUES else (f"{texts[0]} to {texts[-1]}",))


def _distinct(column: pd.Series) -> tuple[str, ...]:
    known = column.dropna()
    if known.empty:
        return (MISSING,)
    distinct = known.unique()
    if pd.api.types.is_numeric_dtype(known.dtype):
        if len(distinct) <= SHOWN_VALUES:
            return tuple(f"{value:.10g}" for value in sorted(distinct))
        return (f"{known.min():.6g} to {known.max():.6g}",)
    texts = sorted((str(value) for value in distinct), key=natural_key)
    if len(texts) <= SHOWN_VALUES:
        return tuple(shortened(text, REASON_LENGTH) for text in texts)
    if all(_ISO_DATE.match(text) for text in texts):
        return (f"{texts[0]} to {texts[-1]}",)
    first = tuple(shortened(text, REASON_LENGTH) for text in texts[: SHOWN_VALUES - 1])
    return (*first, f"and {len(texts) - len(first):,} more")


def _statuses(records: pd.DataFrame) -> tuple[StatusCount, ...]:
    counts = records["status"].fillna(MISSING).value_counts()
    unknown = sorted(set(counts.index) - set(STATUSES))
    order = [name for name in (*STATUSES, *unknown) if name == "ok" or name in counts.index]
    return tuple(
        StatusCount(name, int(counts.get(name, 0)), f"{counts.get(name, 0) / len(records):.1%}") for name in order
    )


def _reasons(records: pd.DataFrame) -> list[ReasonCount]:
    """Reasons of everything that is not ok, most frequent first."""
    failed = records[records["status"] != "ok"]
    counts = Counter(zip(failed["status"].fillna(MISSING), failed["reason"].fillna(MISSING), strict=True))
    rows = [ReasonCount(status, shortened(reason, REASON_LENGTH), n) for (status, reason), n in counts.items()]
    return sorted(rows, key=lambda row: (-row.count, row.status, row.reason))


def _best_tables(records: pd.DataFrame) -> tuple[BestTable, ...]:
    good = records[recommendable(records) & (records["scheme_label"] != UNQUANTIZED)]
    one_device = good["device_label"].nunique() <= 1
    keys = ["op"] if one_device else ["op", "device_label"]
    groups = sorted(good.groupby(keys, sort=False), key=lambda group: [natural_key(str(part)) for part in group[0]])
    return tuple(_best_table(key, rows) for key, rows in groups)


def _best_table(key: Sequence[Hashable], cases: pd.DataFrame) -> BestTable:
    by_speedup = bool(cases["speedup"].notna().any())
    column, kind = ("speedup", Kind.RATIO) if by_speedup else ("time_s", Kind.SECONDS)
    rows = geometric_means_of(cases, column)
    rows["cases"] = cases.groupby(["scheme_label", "kernel"], sort=True, dropna=False).size().to_numpy()
    by_accuracy = _one_per_scheme(rows[rows["sqnr_db"].notna()], "sqnr_db", ascending=False)
    by_speed = _one_per_scheme(rows[rows[column].notna()], column, ascending=not by_speedup)
    return BestTable(
        title=" on ".join(map(str, key)),
        op=str(key[0]),
        device=str(key[1]) if len(key) > 1 else "",
        speed_title="Speed-up" if by_speedup else "Time",
        by_accuracy=_best_rows(by_accuracy, column, kind),
        by_speed=_best_rows(by_speed, column, kind),
    )


def _one_per_scheme(rows: pd.DataFrame, column: str, *, ascending: bool) -> pd.DataFrame:
    """The best kernel of every scheme, best scheme first; equal ones in the order of their names."""
    ordered = rows.sort_values([column, "scheme_rank", "kernel_rank"], ascending=[ascending, True, True])
    return ordered.drop_duplicates("scheme_label").head(BEST)


def _best_rows(rows: pd.DataFrame, column: str, kind: Kind) -> tuple[BestRow, ...]:
    return tuple(
        BestRow(
            scheme=str(row["scheme_label"]),
            look=look(int(row["scheme_rank"])),
            kernel=str(row["kernel"]),
            sqnr=number(row["sqnr_db"], Kind.DECIBEL),
            speed=number(row[column], kind),
            bits=number(row["bits_per_element"], Kind.BITS),
            cases=int(row["cases"]),
        )
        for row in rows.to_dict("records")
    )

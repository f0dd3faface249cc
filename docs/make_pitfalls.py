"""Writes the table of damage into docs/pitfalls.md, between its marks: ``python docs/make_pitfalls.py``.

The figures come from results/reference/pitfalls* and nowhere else: rows of any backend, of the newest run of each case. A
pitfall has one line, that of its case with the most damage. A test keeps the table current.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from harness.kernels import KERNELS
from harness.kernels.spec import PITFALL, KernelSpec
from harness.store import read_results

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
PAGE = ROOT / "docs" / "pitfalls.md"
BEGIN, END = "<!-- damage: begin -->", "<!-- damage: end -->"
_SAME_CASE = ("suite", "op", "shape_name", "data", "dtype", "scheme", "m", "n", "k")
_MEASURES = {"statistics": "mse", "ste_backward": "max_abs_error", "lsq_backward": "max_abs_error"}
"""By op, where the damage is not seen by the SQNR."""

Record = dict[str, Any]


def pitfalls() -> tuple[KernelSpec, ...]:
    """Every kernel that is wrong on purpose."""
    return tuple(spec for spec in KERNELS if spec.role == PITFALL)


def reference_results() -> pd.DataFrame:
    """The newest record of every case that ran."""
    frame = read_results(sorted(REFERENCE.glob("pitfalls*")))
    ran = frame[frame["status"].isin(["ok", "inaccurate"])]
    return ran.sort_values("started_at").drop_duplicates("case_id", keep="last")


def table(frame: pd.DataFrame) -> str:
    """The table's Markdown, from records."""
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    lines = [
        "| pitfall | op | tensor | scheme | right | wrong | wrong codes | measured on |",
        "|---|---|---|---|--:|--:|--:|---|",
    ]
    return "\n".join([*lines, *(_line(spec, records) for spec in pitfalls())])


def _line(spec: KernelSpec, records: Iterable[Record]) -> str:
    records = list(records)
    own = [
        row for row in records if (row["op"], row["kernel"]) == (spec.op, spec.name) and row["status"] == "inaccurate"
    ]
    pairs = [(wrong, right) for wrong in own if (right := _right_form(wrong, records)) is not None]
    if not pairs:
        return f"| `{spec.name}` | {spec.op} | – | – | – | – | – | not measured yet |"
    wrong, right = max(pairs, key=lambda pair: _damage(*pair))
    name = _MEASURES.get(spec.op, "sqnr_db")
    cells = (
        f"`{spec.name}`",
        spec.op,
        f"{_extents(wrong)} {wrong['data']}",
        wrong["scheme"],
        _figure(name, right[name]),
        _figure(name, wrong[name]),
        _share(wrong),
        (wrong["gpu"] or "a GPU") if wrong["backend"] == "cuda" else "a CPU",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _right_form(wrong: Record, records: Iterable[Record]) -> Record | None:
    """What a right kernel made of the same case: one of the same backend, or else the reference."""
    same = [
        row
        for row in records
        if row["status"] == "ok" and row["kernel_role"] != PITFALL and all(row[c] == wrong[c] for c in _SAME_CASE)
    ]
    return min(same, key=lambda row: row["backend"] != wrong["backend"], default=None)


def _damage(wrong: Record, right: Record) -> tuple[float, float]:
    """The more, the worse: of the op's measure, then of the codes."""
    name = _MEASURES.get(str(wrong["op"]), "sqnr_db")
    loss = (right[name] - wrong[name]) if name == "sqnr_db" else abs(wrong[name] - right[name])
    return (loss, wrong["code_mismatches"] or 0)


def _figure(name: str, value: float) -> str:
    return f"{value:.1f} dB" if name == "sqnr_db" else f"{'mse' if name == 'mse' else 'error'} {value:.3g}"


def _share(row: Record) -> str:
    if row["code_mismatches"] is None:
        return "–"
    percent = 100 * row["code_mismatches"] / (row["rows"] * row["cols"])
    return f"{percent:.2f} %" if percent >= 0.01 else f"{percent:.1g} %"


def _extents(row: Record) -> str:
    names = ("m", "n", "k") if row["m"] is not None else ("rows", "cols")
    return " × ".join(str(int(row[name])) for name in names) + (f" {row['dtype']}" if row["dtype"] else "")


def with_table(page: str, made: str) -> str:
    """The page with the table between its marks."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{made}\n{END}", page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), table(reference_results())))

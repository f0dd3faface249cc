"""What a run says at its end: best schemes by SQNR and by speed, counts by status, where the results are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from harness.cli.console import table
from harness.cli.format import decibels, ratio, seconds
from harness.columns import Row
from harness.kernels.spec import PITFALL

if TYPE_CHECKING:
    import pandas as pd

    from harness.runner import RunResult

_SHOWN = 5
_BACKEND_ABSENT = " backend"
_LOAD = 0.1
_NOISE = 0.05


def show_summary(result: RunResult, console: Console) -> None:
    """Print the tables of a finished (or interrupted) run."""
    rows = result.rows
    schemes = _schemes(rows)
    if schemes["sqnr_db"].notna().any():
        _show(console, "Best schemes by SQNR", schemes.sort_values("sqnr_db", ascending=False))
    timed = schemes[(schemes["kernel"] != "reference") & schemes["speedup"].notna()]
    if len(timed):
        _show(console, "Best schemes by speed", timed.sort_values("speedup", ascending=False))
    console.print(_counts_line(rows))
    for line in [*pitfall_lines(rows), *skip_lines(rows), *machine_lines(rows)]:
        console.print(line, markup=False)
    console.print(f"results: {result.path}", markup=False, soft_wrap=True)


def _schemes(rows: Sequence[Row]) -> pd.DataFrame:
    """One row a scheme and kernel: medians over the shapes, of cases that are ok."""
    import pandas as pd  # the first case need not wait for it

    names = ["scheme", "kernel", "sqnr_db", "time_s", "speedup", "bits_per_element", "case_id"]
    shown = [row for row in rows if row["status"] == "ok" and row["scheme"] and row["kernel_role"] != PITFALL]
    ok = [[row[name] for name in names] for row in shown]
    frame = pd.DataFrame(ok, columns=names)
    figures = ["sqnr_db", "time_s", "speedup", "bits_per_element"]
    frame[figures] = frame[figures].astype(float)
    grouped = frame.groupby(["scheme", "kernel"], as_index=False)
    return grouped.agg(**{name: (name, "median") for name in figures}, cases=("case_id", "size"))


def _show(console: Console, title: str, schemes: pd.DataFrame) -> None:
    columns = ("scheme", "kernel", "SQNR", "bits", "time", "speedup", "cases")
    made = table(f"{title} (medians over shapes)", *columns, right=columns[2:])
    for row in schemes.head(_SHOWN).to_dict("records"):
        made.add_row(
            escape(row["scheme"]),
            escape(row["kernel"]),
            decibels(row["sqnr_db"]),
            f"{row['bits_per_element']:.2f}",
            seconds(row["time_s"]),
            ratio(row["speedup"]),
            str(row["cases"]),
        )
    console.print(made)
    console.print()


def _counts_line(rows: Sequence[Row]) -> str:
    counts = Counter(row["status"] for row in rows)
    return f"{len(rows)} cases: " + ", ".join(f"{count} {status}" for status, count in counts.most_common())


def pitfall_lines(rows: Sequence[Row]) -> list[str]:
    """Of kernels that are wrong on purpose: how many cases show it, and which kernels no case shows to be wrong."""
    ran = [row for row in rows if row["kernel_role"] == PITFALL and row["status"] != "skipped"]
    cases = Counter(row["kernel"] for row in ran)
    shown = Counter(row["kernel"] for row in ran if row["status"] == "inaccurate")
    lines = [f"pitfalls: {shown.total()} of {len(ran)} cases inaccurate, as is expected of them"] if ran else []
    for kernel, count in sorted(cases.items()):
        if not shown[kernel]:
            ended = Counter(row["status"] for row in ran if row["kernel"] == kernel)
            how = ", ".join(f"{number} {status}" for status, number in ended.most_common())
            lines.append(f"pitfall {kernel}: none of its {count} cases shows what is wrong with it ({how})")
    return lines


def machine_lines(rows: Sequence[Row]) -> list[str]:
    """What makes times less certain: clocks held down, cores that others used, noise."""
    timed = [row for row in rows if row["status"] == "ok" and row["time_s"] is not None]
    throttled = Counter(row["throttle_reasons"] for row in timed if row["throttled_fraction"])
    loaded = sum((row["other_load"] or 0) > _LOAD for row in timed)
    noisy = [row for row in timed if (row["noise"] or 0) > _NOISE and row["kernel_role"] != "reference"]
    lines = [f"throttled: {count} cases by {reasons}" for reasons, count in throttled.most_common(_SHOWN)]
    if loaded:
        lines.append(f"loaded: other processes kept more than {_LOAD:.0%} of the cores busy during {loaded} cases")
    if noisy:
        worst = max(noisy, key=lambda row: float(row["noise"]))
        lines.append(f"noisy: {len(noisy)} cases above {_NOISE:.0%}, the worst {worst['noise']:.0%} ({worst['case']})")
    return lines


def skip_lines(rows: Sequence[Any]) -> list[str]:
    """Why cases were skipped: those for want of a backend in one line, then the most frequent reasons."""
    reasons = Counter(row["reason"] for row in rows if row["status"] == "skipped")
    absent = {
        reason: n
        for reason, n in reasons.items()
        if reason.startswith("needs the ") and reason.endswith(_BACKEND_ABSENT)
    }
    lines = [f"skipped: {sum(absent.values())} for want of a backend ({', '.join(sorted(absent))})"] if absent else []
    others = [(reason, n) for reason, n in reasons.most_common() if reason not in absent]
    lines += [f"skipped: {n} because {reason}" for reason, n in others[:_SHOWN]]
    if len(others) > _SHOWN:
        rest = sum(n for _, n in others[_SHOWN:])
        lines.append(f"skipped: {rest} for {len(others) - _SHOWN} more reasons; `harness plan` lists them")
    return lines

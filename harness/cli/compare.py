"""``harness compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import output, table
from harness.cli.format import seconds
from harness.options import DEFAULT_OUT

if TYPE_CHECKING:
    from harness.compare.result import Comparison

_SHOWN = 50
_STYLES = {"slower": "red", "faster": "green", "unsure": "yellow"}


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="What was: a run's id, a file or a folder of results.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What is held against it.")],
    out: Annotated[Path, typer.Option(help="Folder of results, where runs are looked for.")] = DEFAULT_OUT,
    floors: Annotated[
        Path | None, typer.Option(help="Noise floors: a file or folder; OUT/selfcheck when left out.")
    ] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare records of different machines too.")
    ] = False,
    interleave: Annotated[
        Path | None,
        typer.Option(
            metavar="SUITE", help="A and B are kernels, or checkouts: time them on SUITE now, rounds in turn."
        ),
    ] = None,
    flagged: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --interleave: what FILE (--json of compare or check) flags, no more."),
    ] = None,
    device: Annotated[str, typer.Option(help="With --interleave: auto, cpu or cuda:N.")] = "auto",
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="With --interleave: axis=value, globs; repeatable.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=10, help="With --interleave: rounds a side.")] = 20,
    all_: Annotated[bool, typer.Option("--all", help="Show cases that did not change too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Compare two sets of runs, case by case: `slower`, `faster`, `same` or `unsure`, and what became less accurate.

    Exit code 0 whatever is found, 1 where nothing could be compared; `harness check` turns findings into exit codes.

    **Examples**

    - `harness compare 20260131T020000Z-1f3a 20260201T020000Z-77c0`

    - `harness compare results/reference/gemm results/gemm --markdown`

    - `harness compare dp4a wmma_s8 --interleave suites/gemm.yaml --filter scheme=w8a8`

    - `harness compare ../before . --interleave suites/gemm.yaml --flagged check.json`
    """
    from harness.compare import compare_sides, find_side, read_side
    from harness.compare.export import jsonable, to_json, to_markdown
    from harness.errors import HarnessError
    from harness.selfcheck.floors import machine_floors

    if markdown and as_json:
        raise HarnessError("--markdown, --json: choose one (got both); run the command twice for both")
    if interleave is not None:
        found = _interleaved(interleave, a, b, device, _filters(filter_ or [], flagged), rounds, floors, out)
    else:
        before, after = (read_side(find_side(text, out), text) for text in (a, b))
        rows = [after.newest(case_id) for case_id in after.records]
        known = machine_floors(floors, out, rows)
        found = compare_sides(before, after, known, across_machines=across_machines)
    if as_json:
        print(json.dumps(jsonable(to_json(found)), indent=2))
    elif markdown:
        print(to_markdown(found))
    else:
        _show(found, everything=all_)


def _filters(given: list[str], flagged: Path | None) -> list[str]:
    from harness.compare.flagged import flagged_cases

    return [*given, *(f"case_id={each}" for each in (flagged_cases(flagged) if flagged else ()))]


def _interleaved(
    path: Path, a: str, b: str, name: str, filters: list[str], rounds: int, floors: Path | None, out: Path
) -> Comparison:
    from harness.backends import find_device
    from harness.cli.console import errors
    from harness.compare.checkouts import Checkouts, compare_checkouts
    from harness.compare.interleave import InterleaveOptions, compare_interleaved, kernel_pairs
    from harness.compare.lane_process import is_checkout
    from harness.environment import environment_of
    from harness.selfcheck.floors import machine_floors
    from harness.suite import load_suite

    def say(words: str) -> None:
        errors.print(words, markup=False)

    device, options = find_device(name), InterleaveOptions(rounds=rounds)
    environment = environment_of(device)
    machine = {column: environment[column] for column in ("gpu", "cpu")}

    def known(cases: Sequence[str]) -> dict[str, float]:
        return machine_floors(floors, out, [{"case_id": each, **machine} for each in cases])

    if is_checkout(Path(a)) and is_checkout(Path(b)):
        return compare_checkouts(Checkouts(Path(a), Path(b), path, device.name, tuple(filters)), known, options, say)
    pairs = kernel_pairs(load_suite(path), device, a, b, filters)
    return compare_interleaved(pairs, device, known([two.case_id for _, two in pairs]), options, say=say)


def _show(found: Comparison, *, everything: bool) -> None:
    from harness.compare.export import accuracy_words, band_words, counts_line, q_words, ratio_words, remarkable

    cases = list(found.cases) if everything else remarkable(found)
    shown = cases if everything else cases[:_SHOWN]
    if shown:
        columns = ("case", "speed", "A", "B", "B / A (95 %)", "q", "band", "accuracy")
        made = table(f"{found.a} → {found.b}", *columns, right=("A", "B", "q", "band"))
        for case in shown:
            verdict = str(case.speed.verdict) if case.speed else "–"
            made.add_row(
                escape(case.case),
                f"[{_STYLES.get(verdict, 'none')}]{verdict}[/]",
                seconds(case.time_a_s),
                seconds(case.time_b_s),
                escape(ratio_words(case)),
                q_words(case),
                band_words(case),
                escape(accuracy_words(case)),
            )
        output.print(made)
    if len(shown) < len(cases):
        output.print(f"… and {len(cases) - len(shown)} more; --all shows them")
    for title, names in (("added", found.added), ("removed", found.removed)):
        for name in names if everything else names[:_SHOWN]:
            output.print(f"{title}: {name.case} ({name.status})", markup=False, soft_wrap=True)
        if not everything and len(names) > _SHOWN:
            output.print(f"{title}: {len(names) - _SHOWN} more; --all shows them")
    output.print(counts_line(found), markup=False, soft_wrap=True)
    for note in found.notes:
        output.print(f"note: {note}", markup=False, soft_wrap=True)

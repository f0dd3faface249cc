"""``harness history``."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.cli.format import seconds
from harness.errors import HarnessError
from harness.options import DEFAULT_OUT

if TYPE_CHECKING:
    from harness.compare.sides import Side
    from harness.history import History

_SHOWN = 50


def history(
    results: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders or files with many runs.")],
    case: Annotated[str, typer.Option(metavar="GLOB", help="Only cases of such names.")] = "*",
    floors: Annotated[
        Path | None, typer.Option(help="Noise floors: a file or folder; results/selfcheck when left out.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show cases that did not change too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every run of every case as JSON.")] = False,
    accept: Annotated[
        str | None, typer.Option(metavar="RUN", help="Accept the level from this run on (of the cases of --case).")
    ] = None,
    annotate: Annotated[
        str | None, typer.Option(metavar="RUN", help="Say what was new from this run on; the level stays what it is.")
    ] = None,
    why: Annotated[str, typer.Option(help="The words of --accept or --annotate.")] = "",
    prune: Annotated[
        int | None, typer.Option(metavar="RUNS", min=1, help="Keep the newest runs of each suite and machine only.")
    ] = None,
    samples_only: Annotated[
        bool, typer.Option("--samples-only", help="With --prune: older runs lose their samples, no more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --prune: delete; else what would go is said.")] = False,
) -> None:
    """Show how the times of each case went over many runs: level, noise, where the level changed, and what changed with it.

    A slower level stays a regression until it is accepted, which `DIR/history.json` records; commit that file.

    **Examples**

    - `harness history results`

    - `harness history results --case 'gemm/dp4a/*' --all`

    - `harness history results --accept 20260201T020000Z-77c0 --case 'gemm/dp4a/*' --why 'exact sums cost 5 %'`

    - `harness history results --annotate 20260201T020000Z-77c0 --why 'the machine moved to another room'`

    - `harness history results --prune 90 --yes`
    """
    from harness.compare.sides import read_sides
    from harness.history.annotations import read_annotations
    from harness.history.model import build_history
    from harness.selfcheck.floors import machine_floors

    if markdown and as_json:
        raise HarnessError("--markdown, --json: choose one (got both); run the command twice for both")
    everything = read_sides(results)
    side = everything.of_cases(lambda name: fnmatch.fnmatchcase(name, case))
    if not side.records:
        raise HarnessError(f"--case: must match cases of {side.label} (got {case!r}); see them with --all")
    for run, accepts in ((accept, True), (annotate, False)):
        if run is not None:
            _annotate(results, side.run_ids, run, case, why, accepts=accepts)
    if prune is not None and case != "*":
        raise HarnessError(f"--prune: must be of all cases (got --case {case}); runs are kept or go as a whole")
    known = machine_floors(floors, DEFAULT_OUT, [side.newest(case_id) for case_id in side.records])
    found = build_history(side, known, read_annotations(results))
    if prune is not None:
        _prune(everything, found, prune, samples_only=samples_only, yes=yes)
    else:
        _show(found, everything=all_, markdown=markdown, as_json=as_json)


def _show(found: History, *, everything: bool, markdown: bool, as_json: bool) -> None:
    from harness.history.export import COLUMNS, headline, remarkable, row_of, to_json, to_markdown

    cases = found.cases if everything else remarkable(found)
    if as_json:
        print(json.dumps(to_json(found), indent=2))
        return
    if markdown:
        print(to_markdown(found, cases, seconds))
        return
    shown = cases if everything else cases[:_SHOWN]
    if shown:
        made = table(found.label, *COLUMNS, right=("runs", "level", "MAD", "last / level"))
        for each in shown:
            style = "red" if each.is_regressed else None
            made.add_row(*map(escape, row_of(each, seconds)), style=style)
        output.print(made)
    if len(shown) < len(cases):
        output.print(f"… and {len(cases) - len(shown)} more; --all shows them")
    output.print(headline(found), markup=False, soft_wrap=True)


def _annotate(results: list[Path], runs: frozenset[str], run: str, case: str, why: str, *, accepts: bool) -> None:
    from harness.history.annotations import Annotation, annotate

    option = "--accept" if accepts else "--annotate"
    if run not in runs:
        newest = ", ".join(sorted(runs)[-3:])
        raise HarnessError(f"{option}: must be a run of these results (got {run!r}); the newest are {newest}")
    if not why.strip():
        raise HarnessError(f"--why: must give the reason of {option} (got nothing); others will ask")
    path = annotate(results[0], Annotation(run, case, why, accepts))
    means = "have a new level" if accepts else f"are annotated: {why}"
    errors.print(f"{path}: from {run} on, cases {case} {means}", markup=False, soft_wrap=True)


def _prune(side: Side, found: History, keep: int, *, samples_only: bool, yes: bool) -> None:
    from harness.cli.format import size as bytes_words
    from harness.history.prune import plan_pruning, remove, size_of

    plan = plan_pruning(side, found, keep)
    files = plan.files(samples_only=samples_only)
    if plan.needed:
        output.print(f"{len(plan.needed)} older runs stay: cases are slower now than the level that they make")
    size = bytes_words(size_of(files))
    what = f"{'samples of ' if samples_only else ''}{len(plan.old)} of {len(plan.old) + len(plan.kept)} runs, {size}"
    if not yes:
        for path in files:
            output.print(str(path), markup=False, soft_wrap=True)
        output.print(f"would go: {what}; --yes deletes them", markup=False, soft_wrap=True)
        return
    remove(files)
    output.print(f"deleted: {what}", markup=False, soft_wrap=True)

"""``harness history``."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.cli.format import seconds
from harness.errors import HarnessError
from harness.options import DEFAULT_OUT

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
    why: Annotated[str, typer.Option(help="Why it is accepted.")] = "",
) -> None:
    """Show how the times of each case went over many runs: level, noise, where the level changed, and what changed with it.

    A slower level stays a regression until it is accepted, which `DIR/history.json` records; commit that file.

    **Examples**

    - `harness history results`

    - `harness history results --case 'gemm/dp4a/*' --all`

    - `harness history results --accept 20260201T020000Z-77c0 --case 'gemm/dp4a/*' --why 'exact sums cost 5 %'`
    """
    from harness.compare.sides import read_sides
    from harness.history.accepted import read_acceptances
    from harness.history.export import COLUMNS, headline, remarkable, row_of, to_json, to_markdown
    from harness.history.model import build_history
    from harness.selfcheck.floors import machine_floors

    if markdown and as_json:
        raise HarnessError("--markdown, --json: choose one (got both); run the command twice for both")
    side = read_sides(results).of_cases(lambda name: fnmatch.fnmatchcase(name, case))
    if not side.records:
        raise HarnessError(f"--case: must match cases of {side.label} (got {case!r}); see them with --all")
    if accept is not None:
        _accept(results, side.run_ids, accept, case, why)
    known = machine_floors(floors, DEFAULT_OUT, [side.newest(case_id) for case_id in side.records])
    found = build_history(side, known, read_acceptances(results))
    cases = found.cases if all_ else remarkable(found)
    if as_json:
        print(json.dumps(to_json(found), indent=2))
        return
    if markdown:
        print(to_markdown(found, cases, seconds))
        return
    shown = cases if all_ else cases[:_SHOWN]
    if shown:
        made = table(found.label, *COLUMNS, right=("runs", "level", "MAD", "last / level"))
        for each in shown:
            style = "red" if each.is_regressed else None
            made.add_row(*map(escape, row_of(each, seconds)), style=style)
        output.print(made)
    if len(shown) < len(cases):
        output.print(f"… and {len(cases) - len(shown)} more; --all shows them")
    output.print(headline(found), markup=False, soft_wrap=True)


def _accept(results: list[Path], runs: frozenset[str], run: str, case: str, why: str) -> None:
    from harness.history.accepted import Acceptance, accept

    if run not in runs:
        newest = ", ".join(sorted(runs)[-3:])
        raise HarnessError(f"--accept: must be a run of these results (got {run!r}); the newest are {newest}")
    if not why.strip():
        raise HarnessError("--why: must say why the change is accepted (got nothing); others will ask")
    path = accept(results[0], Acceptance(run, case, why))
    errors.print(f"{path}: from {run} on, cases {case} have a new level", markup=False, soft_wrap=True)

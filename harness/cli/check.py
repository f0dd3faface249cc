"""``harness check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.errors import HarnessError
from harness.options import DEFAULT_OUT

if TYPE_CHECKING:
    from harness.check import Policy
    from harness.compare import Comparison, Side

_SHOWN = 50


def check(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="What is checked: a run's id, a file or a folder of results.")
    ],
    against: Annotated[
        str | None, typer.Option(metavar="BASELINE", help="What it is held against: likewise, one run of it.")
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Instead: the level of many runs, those before RUN; repeat for more folders."),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A second run of what was found; only what it finds too is slower."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="YAML file of thresholds; see docs/compare.md.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of results, where runs are looked for.")] = DEFAULT_OUT,
    floors: Annotated[
        Path | None, typer.Option(help="Noise floors: a file or folder; OUT/selfcheck when left out.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write Markdown here, for a job's summary.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every figure here as JSON.")] = None,
) -> None:
    """Hold a run against a baseline, for CI: what became slower, less accurate, or does not conform any more.

    Exit code 0: fine; 1: could not run; 2: slower; 3: less accurate or not conforming, whatever else; 4: unsure or
    missing, where the policy asks.

    **Examples**

    - `harness check results/gemm --against results/reference/gemm`

    - `harness check results/gemm/20260201T020000Z-77c0.parquet --history results --policy policy.yaml --junit check.xml`
    """
    from harness.check import check_comparison, confirmed, load_policy
    from harness.check.export import check_json, check_markdown, headline, to_junit
    from harness.cli.files import write_text
    from harness.compare import find_side, read_side

    if (against is None) == (not history):
        raise HarnessError("--against, --history: must be one of them (got both, or none); name a baseline or a folder")
    rules = load_policy(policy)
    after = read_side(find_side(run, out), run)
    compare = _comparer(against, history or [], out, floors, rules)
    result = check_comparison(compare(after), rules)
    if again is not None and result.slower:
        result = confirmed(result, check_comparison(compare(read_side(find_side(again, out), again)), rules))
    for path, text in ((junit, to_junit), (markdown, check_markdown)):
        if path is not None:
            write_text(path, text(result))
    if as_json is not None:
        write_text(as_json, json.dumps(check_json(result), indent=2) + "\n")
    if result.findings:
        made = table(f"{run} against {result.comparison.a}", "what", "case", "how")
        for finding in result.findings[:_SHOWN]:
            made.add_row(str(finding.kind).replace("_", " "), escape(finding.case), escape(finding.words))
        output.print(made)
        if len(result.findings) > _SHOWN:
            output.print(f"… and {len(result.findings) - _SHOWN} more")
    output.print(headline(result), markup=False, soft_wrap=True)
    for note in result.comparison.notes:
        errors.print(f"note: {note}", markup=False, soft_wrap=True)
    raise typer.Exit(result.exit_code)


def _comparer(
    against: str | None, history: list[Path], out: Path, floors: Path | None, rules: Policy
) -> Callable[[Side], Comparison]:
    """What holds a side against the baseline, or against the history."""
    from harness.compare import compare_sides, find_side, read_side
    from harness.compare.sides import read_sides
    from harness.history import hold_against
    from harness.history.annotations import read_annotations
    from harness.selfcheck.floors import machine_floors

    before = read_side(find_side(against, out), against) if against is not None else read_sides(history)
    accepted = read_annotations(history)

    def compare(after: Side) -> Comparison:
        known = machine_floors(floors, out, [after.newest(case_id) for case_id in after.records])
        bands = rules.bands(known, after.records)
        if against is not None:
            return compare_sides(before, after, bands, figures=rules.figures)
        return hold_against(before, after, bands, accepted, noise=known, figures=rules.figures)

    return compare

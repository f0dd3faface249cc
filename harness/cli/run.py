"""``harness run``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.console import errors, output
from harness.options import DEFAULT_CASE_TIMEOUT_S, DEFAULT_OUT, RunOptions

if TYPE_CHECKING:
    from harness.runner import RunResult


def run(
    suite: Annotated[Path, typer.Argument(help="The suite's YAML file.")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="axis=value, globs; repeat to add axes or values.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = DEFAULT_OUT,
    limit: Annotated[int | None, typer.Option(min=1, help="Run the first N cases that can run here.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN|last", help="Go on with an interrupted run.")] = None,
    case_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which a case is ended.")
    ] = DEFAULT_CASE_TIMEOUT_S,
    offline: Annotated[
        bool, typer.Option("--offline", help="Download nothing; cases that need it are skipped.")
    ] = False,
    energy: Annotated[
        bool, typer.Option("--energy", help="Measure the energy of a launch too: some four seconds a case.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON instead of tables.")] = False,
) -> None:
    """Run a suite: every case checked, measured, timed, and kept as one row of parquet.

    **Examples**

    - `harness run suites/gemm.yaml`

    - `harness run suites/gemm.yaml --filter 'kernel=ort_*' --filter weight.format=int4`

    - `harness run suites/gemm.yaml --resume last`
    """
    from harness.spawn import spawn

    spawned = spawn()  # what a worker imports takes as long as what follows here
    from harness.cli.progress import watcher_for
    from harness.cli.summary import show_summary
    from harness.runner import run_suite

    options = RunOptions(device, tuple(filter_ or ()), limit, out, resume, case_timeout, offline, energy)
    result = run_suite(suite, options, watcher_for(errors), spawned)
    if as_json:
        print(json.dumps(outcome_json(result), indent=2))
    else:
        show_summary(result, output)
    if not result.complete:
        where = "" if out == DEFAULT_OUT else f" --out {out}"
        errors.print(
            f"interrupted: {len(result.rows)} finished cases are kept; "
            f"go on with: harness run {suite}{where} --resume {result.run_id}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)


def outcome_json(result: RunResult) -> dict[str, object]:
    """What ``--json`` prints: the run, counts by status, and the records."""
    return {
        "run_id": result.run_id,
        "suite": result.suite,
        "device": result.device.name,
        "complete": result.complete,
        "results": str(result.path),
        "counts": dict(Counter(row["status"] for row in result.rows)),
        "records": [{name: finite(value) for name, value in row.items()} for row in result.rows],
    }


def finite(value: object) -> object:
    """The value, infinities as text, which JSON can hold."""
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value

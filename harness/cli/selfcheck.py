"""``harness selfcheck``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.cli.format import ABSENT, seconds
from harness.errors import HarnessError
from harness.options import DEFAULT_OUT
from harness.selfcheck.options import TARGET_RATE, SelfcheckOptions

if TYPE_CHECKING:
    from harness.selfcheck.result import CaseCheck, SelfcheckResult

_DEFAULT = SelfcheckOptions()


def selfcheck(
    suite: Annotated[
        Path | None, typer.Argument(help="The suite whose cases are checked; a few fast kernels when left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs in all, at least one a case; 2000 for a statement on the rate.")
    ] = _DEFAULT.pairs,
    rounds: Annotated[int, typer.Option(help="Rounds a side of each pair, at least 10.")] = _DEFAULT.rounds,
    samples: Annotated[int, typer.Option(min=1, help="Samples a round, at most.")] = _DEFAULT.samples,
    out: Annotated[Path, typer.Option(help="Folder of results; floors go to its folder selfcheck.")] = DEFAULT_OUT,
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="axis=value, globs; repeat to add axes or values.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Download nothing; cases that need it are reported as failed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON instead of tables.")] = False,
) -> None:
    """Check the instrument: time kernels against themselves, as if they were two versions.

    Whatever is called slower or faster then is a false verdict. Exit code 0 for at most 0.5 % of them, 2 for more, 1 where
    the check could not be run or was interrupted. The noise floor of each case is kept for comparisons to use.

    **Examples**

    - `harness selfcheck`

    - `harness selfcheck --pairs 2000`

    - `harness selfcheck suites/gemm.yaml --filter kernel=dp4a --pairs 500`
    """
    from harness.backends import find_device
    from harness.cli.progress import describe_device
    from harness.planned import planned_cases
    from harness.selfcheck.floors import floors_path, read_floors, store_floors
    from harness.selfcheck.run import default_suites
    from harness.selfcheck.run import selfcheck as run
    from harness.verdict import MIN_ROUNDS

    if rounds < MIN_ROUNDS:
        raise HarnessError(f"--rounds: must be at least {MIN_ROUNDS} (got {rounds}); a rank test needs them")
    found = find_device(device)
    _say(describe_device(found))
    cases = planned_cases([suite] if suite else default_suites(found.backend), found, filter_ or (), "selfcheck")
    path = floors_path(out, found)
    read_floors(path)  # what cannot be read could not be added to either: better known before than after
    result = run(cases, found, SelfcheckOptions(pairs, rounds, samples, offline), say=_say)
    if as_json:
        print(json.dumps(result_json(result, path), indent=2))
    else:
        _show(result, path)
    store_floors(path, result)
    if not result.complete or any(check.error for check in result.checks):
        why = "a case failed" if result.complete else "interrupted"
        _say(f"{why}: {result.pairs} finished pairs are kept")
        raise typer.Exit(1)
    if result.rate > TARGET_RATE:
        raise typer.Exit(2)


def result_json(result: SelfcheckResult, path: Path) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        "device": result.device.name,
        "complete": result.complete,
        "pairs": result.pairs,
        "false_verdicts": result.false_verdicts,
        "rate": result.rate,
        "rate_bound": result.rate_bound,
        "false_verdicts_pooled": result.pooled,
        "unsure": result.unsure,
        "floors": str(path),
        "cases": [asdict(check) for check in result.checks],
    }


def summary_line(result: SelfcheckResult) -> str:
    """The false-verdict rate, and how well it is known."""
    return (
        f"false verdicts: {result.false_verdicts} of {result.pairs} pairs, {result.rate:.2%} "
        f"(at most {result.rate_bound:.2%} with 95 % confidence; target {TARGET_RATE:.1%}); "
        f"{result.pooled} where all are corrected as one set; {result.unsure} unsure"
    )


def _show(result: SelfcheckResult, path: Path) -> None:
    columns = ("case", "pairs", "false", "floor", "of", "median time")
    made = table(
        f"harness selfcheck on {result.device.name}", *columns, right=("pairs", "false", "floor", "median time")
    )
    for check in result.checks:
        made.add_row(
            escape(check.case), str(check.pairs), str(check.false_verdicts), *_floor(check), seconds(check.time_s)
        )
    output.print(made)
    for check in result.checks:
        if check.error:
            output.print(f"failed: {check.case}: {check.error}", markup=False, soft_wrap=True)
    output.print(summary_line(result), markup=False, soft_wrap=True)
    output.print(f"floors: {path}", markup=False, soft_wrap=True)


def _floor(check: CaseCheck) -> tuple[str, str]:
    return (ABSENT, ABSENT) if check.floor is None else (f"{check.floor:.2%}", str(check.floor_kind))


def _say(message: str) -> None:
    errors.print(message, markup=False, soft_wrap=True)

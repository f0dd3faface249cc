"""``harness tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.cli.format import ABSENT, seconds
from harness.errors import HarnessError


def tune(
    suite: Annotated[Path, typer.Argument(help="The suite whose problems are measured.")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="axis=value, globs; repeat to add axes or values.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Measure again what is known already.")] = False,
    ship: Annotated[
        Path | None, typer.Option(help="Write the choices to this file too: those of a model of device are shipped so.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing.")] = False,
) -> None:
    """Find the fastest kernel, and the fastest tiles of each, for the problems of a suite.

    Every kernel that takes a problem is checked and timed in each of its configurations. The choices are kept for this device:
    `kernel: auto` takes the fastest kernel, and a kernel that a suite names its fastest configuration (column
    `configuration`). Kernels whose source has changed since are measured again.

    **Examples**

    - `harness tune suites/gemm.yaml`

    - `harness tune suites/gemm.yaml --filter scheme=w8a8 --anew`
    """
    from harness.backends import find_device
    from harness.cli.progress import describe_device
    from harness.planned import planned_cases
    from harness.tuning.run import tune as run
    from harness.tuning.table import Table, write_table

    found = find_device(device)
    errors.print(describe_device(found), markup=False, highlight=False)
    cases = planned_cases([suite], found, filter_ or (), "tune")
    made = table("fastest", "problem", "kernel", "time", "configuration", right=("time",))
    tuned = []
    for each in run(cases, found, offline=offline, anew=anew, say=lambda text: errors.print(text, markup=False)):
        tuned.append(each)
        for name, choice in sorted(each.choices.items(), key=lambda item: item[1].time_s or float("inf")):
            mark = "→ " if name == each.fastest else ""
            time = ABSENT if choice.time_s is None else seconds(choice.time_s)
            words = " ".join(f"{macro}={value}" for macro, value in sorted(choice.macros.items()))
            made.add_row(escape(each.key) if name == each.fastest else "", f"{mark}{name}", time, words)
    if not tuned:
        raise HarnessError(
            f"tune: needs problems that several kernels take, or one in several configurations (got none on {found.name}); "
            "see `harness plan` for what the suite has"
        )
    output.print(made)
    if ship is not None:
        write_table(ship, Table(found.model, found.model, {each.key: dict(each.choices) for each in tuned}))
        output.print(f"choices: {ship}", markup=False, soft_wrap=True)

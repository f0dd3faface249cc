"""``harness plan``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import output, table


def plan(
    suite: Annotated[Path, typer.Argument(help="The suite's YAML file.")],
    device: Annotated[str, typer.Option(help="The device to plan for: auto, cpu or cuda:N.")] = "auto",
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="axis=value, globs; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N cases that can run.")] = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="List the skipped cases too, with their reasons.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cases as JSON.")] = False,
) -> None:
    """Show the cases of a suite, and why some are skipped. Touches no device and downloads nothing.

    **Examples**

    - `harness plan suites/gemm.yaml`

    - `harness plan suites/gemm.yaml --skipped --filter kernel='ort_*'`
    """
    from harness.backends import find_device
    from harness.plan import plan as plan_suite
    from harness.select import select
    from harness.suite import load_suite

    loaded = load_suite(suite)
    cases = select(plan_suite(loaded, find_device(device)), loaded, filter_ or (), limit)
    if as_json:
        rows = [{"case_id": c.case_id, "case": c.name, "kernel": c.kernel, "skip": c.skip} for c in cases]
        print(json.dumps({"suite": loaded.name, "cases": rows}, indent=2))
        return
    shown = [case for case in cases if skipped or case.skip is None]
    made = table(f"{loaded.name}: {len(cases)} cases", "case_id", "case", *(["skipped because"] if skipped else []))
    for case in shown:
        made.add_row(case.case_id, escape(case.name), *([escape(case.skip or "")] if skipped else []))
    output.print(made)
    reasons = Counter(case.skip for case in cases if case.skip)
    output.print(f"{len(cases) - reasons.total()} to run, {reasons.total()} skipped")
    for reason, count in reasons.most_common():
        output.print(f"  {count} skipped: {reason}", markup=False)

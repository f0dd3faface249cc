"""``harness profile``."""

from __future__ import annotations

import shlex
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import errors
from harness.errors import HarnessError
from harness.options import DEFAULT_OUT


class Tool(StrEnum):
    """The profilers there are."""

    NCU = "ncu"
    NSYS = "nsys"


def profile(
    suite: Annotated[Path, typer.Argument(help="The suite's YAML file.")],
    case: Annotated[str, typer.Argument(help="A case: its name, its case_id, or a glob that means one case.")],
    device: Annotated[str, typer.Option(help="auto or cuda:N.")] = "auto",
    tool: Annotated[Tool, typer.Option(help="Nsight Compute (counters) or Nsight Systems (timeline).")] = Tool.NCU,
    launches: Annotated[int, typer.Option(min=1, help="Launches that are profiled.")] = 3,
    out: Annotated[Path | None, typer.Option(help="The report's file; results/profiles/CASE_ID when left out.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command line, run nothing.")] = False,
) -> None:
    """Profile one case's kernel with Nsight Compute or Nsight Systems: print the command line and run it.

    **Examples**

    - `harness profile suites/gemm.yaml 'gemm/dp4a/llama3_8b.o.prefill*'`

    - `harness profile suites/gemm.yaml 6f006906a6708ddbc31c --tool nsys --dry-run`
    """
    from harness.profiling.choice import choose
    from harness.profiling.profilers import PROFILERS, target_words

    profiler = PROFILERS[tool]
    chosen, on = choose(suite, case, device)
    report = profiler.report(out or DEFAULT_OUT / "profiles" / chosen.case_id)
    found = profiler.find()
    executable = str(found or profiler.name)
    command = [executable, *profiler.options(report, chosen), *target_words(suite, chosen, on, launches)]
    print(shlex.join(command), flush=True)
    if dry_run:
        return
    if found is None:
        raise HarnessError(
            f"--tool: {profiler.name} must be on PATH (got none, nor in the usual places); install NVIDIA "
            f"{profiler.product}, or run the printed command where it is"
        )
    _make_folder(report.parent)
    code = subprocess.run(command).returncode
    if code:
        raise typer.Exit(code if code > 0 else 128 - code)  # a signal's number, as shells tell it
    errors.print(f"report: {report}; open it with {profiler.viewer}", markup=False, soft_wrap=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(
            f"--out: its folder must be writable (got {folder}: {error.strerror}); choose another"
        ) from None

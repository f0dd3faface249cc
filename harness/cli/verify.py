"""``harness verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.options import DEFAULT_EVIDENCE


def verify(
    kernel: Annotated[
        list[str] | None, typer.Option(help="Only this CUDA kernel (NAME or OP/NAME); repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto or cuda:N.")] = "auto",
    jobs: Annotated[int, typer.Option(help="Kernels that are run at once, each in a worker process of its own.")] = 1,
    out: Annotated[Path, typer.Option(help="The evidence file to update.")] = DEFAULT_EVIDENCE,
) -> None:
    """Run every CUDA kernel's conformance cases on the GPU that is here, and update the evidence.

    **Examples**

    - `harness verify`

    - `harness verify --kernel quantize/affine --kernel dp4a`

    - `harness verify --jobs 8`
    """
    from harness.cli.progress import watcher_for
    from harness.verify import update_evidence
    from harness.verify import verify as run

    found = run(device, kernel or (), watcher_for(errors), jobs)
    update_evidence(out, found)
    columns = (
        "kernel",
        "architecture",
        "digest",
        "cases",
        "failed",
        "worst mismatches",
        "worst bound used",
        "first failure",
    )
    made = table(f"evidence ({len(found)})", *columns, right=columns[3:7])
    for each in found:
        made.add_row(
            f"{each.op}/{each.kernel}",
            each.architecture,
            each.digest,
            str(each.cases),
            str(each.failed),
            "–" if each.worst_mismatches is None else str(each.worst_mismatches),
            "–" if each.worst_bound_used is None else f"{each.worst_bound_used:.3f}",
            escape((each.reason or "").splitlines()[0] if each.reason else ""),
        )
    output.print(made)
    output.print(f"evidence: {out}", markup=False, soft_wrap=True)
    if not all(each.as_expected for each in found):
        raise typer.Exit(1)

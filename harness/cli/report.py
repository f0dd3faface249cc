"""``harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import errors


def report(
    results: Annotated[list[Path], typer.Argument(help="Result files or folders.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the site.")] = Path("dashboards"),
    title: Annotated[str, typer.Option(help="Title of the pages.")] = "Quantization results",
) -> None:
    """Build a static site from results. It opens from the file system and needs no network.

    **Examples**

    - `harness report results -o dashboards`

    - `harness report results/gemm -o /tmp/gemm-site`
    """
    from harness.report.page import build_site
    from harness.store import read_results, read_samples

    site = build_site(read_results(results), out, samples=read_samples(results), title=title)
    errors.print(f"{site.records} records: open {site.index}", markup=False, soft_wrap=True)

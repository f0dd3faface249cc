"""``harness report``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import errors


def report(
    results: Annotated[list[Path], typer.Argument(help="Result files or folders.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the site.")] = Path("dashboards"),
    title: Annotated[str, typer.Option(help="Title of the pages.")] = "Quantization results",
    serve: Annotated[
        bool, typer.Option("--serve", help="Preview it on this machine, built anew when results change.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the preview; 0: any that is free.")] = 8000,
) -> None:
    """Build a static site from results. It opens from the file system and needs no network.

    **Examples**

    - `harness report results -o dashboards`

    - `harness report results --serve`
    """
    from harness.report.page import build_site
    from harness.report.serve import Preview, rebuild_on_change
    from harness.store import read_results, read_samples

    def say(message: str) -> None:
        errors.print(message, markup=False, soft_wrap=True)

    def build() -> None:
        site = build_site(read_results(results), out, samples=read_samples(results), title=title)
        say(f"{site.records} records: open {site.index}")

    build()
    if not serve:
        return
    with Preview(out, port) as preview:
        say(f"{preview.address} (Ctrl-C ends)")
        try:
            rebuild_on_change(results, build, say, threading.Event())
        except KeyboardInterrupt:
            say("preview ended")

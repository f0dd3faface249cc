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
    single_file: Annotated[
        bool,
        typer.Option("--single-file", help="One HTML file instead: DIR/report.html, or DIR where it ends in .html."),
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Preview it on this machine, built anew when results change.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the preview; 0: any that is free.")] = 8000,
) -> None:
    """Build a static site from results. It opens from the file system and needs no network.

    **Examples**

    - `harness report results -o dashboards`

    - `harness report results --serve`

    - `harness report results --single-file -o gemm.html`
    """
    from harness.history.annotations import read_annotations
    from harness.report.page import build_site
    from harness.report.serve import Preview, rebuild_on_change
    from harness.report.single import build_single_file
    from harness.store import read_results, read_samples

    def say(message: str) -> None:
        errors.print(message, markup=False, soft_wrap=True)

    single = out if out.suffix == ".html" else out / "report.html"

    def build() -> None:
        make, target = (build_single_file, single) if single_file else (build_site, out)
        accepted = read_annotations(results)
        site = make(read_results(results), target, samples=read_samples(results), title=title, annotations=accepted)
        say(f"{site.records} records: open {site.index}")

    build()
    if not serve:
        return
    with Preview(single.parent if single_file else out, port) as preview:
        say(f"{preview.address}{single.name if single_file else ''} (Ctrl-C ends)")
        try:
            rebuild_on_change(results, build, say, threading.Event())
        except KeyboardInterrupt:
            say("preview ended")

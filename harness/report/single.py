"""The whole site in one file, to send or to keep."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.errors import StoreError
from harness.history.annotations import Annotation
from harness.report.page import TEMPLATES, Site, environment, site_files
from harness.report.script import assignment


def build_single_file(
    records: pd.DataFrame,
    out: Path,
    *,
    samples: pd.DataFrame | None = None,
    title: str = "Quantization results",
    annotations: Sequence[Annotation] = (),
) -> Site:
    """Write the site that ``build_site`` makes as one HTML file ``out``: it replaces an earlier one by rename.

    Raises:
        StoreError: ``out`` is a folder or cannot be written, or a column has a wrong type.
    """
    if out.is_dir():
        raise StoreError(f"{out}: must be a file (got a folder); name one, {out / 'report.html'}, say")
    text = (
        environment()
        .get_template("single.html.j2")
        .render(
            site_title=title,
            files=assignment(
                "harnessFiles", site_files(records, samples=samples, title=title, annotations=annotations)
            ),
            script=(TEMPLATES / "single.js").read_text(encoding="utf-8"),
        )
    )
    scratch = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(text, encoding="utf-8", newline="\n")
        scratch.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise StoreError(f"{out}: the site could not be written (got {error}); check space and permissions") from error
    return Site(index=out, pages=(out,), records=len(records))

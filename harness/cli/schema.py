"""``harness schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import errors
from harness.errors import StoreError


def schema(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write to this file instead of printing.")] = None,
) -> None:
    """Print the JSON Schema of suites, so that editors complete and check them.

    **Examples**

    - `harness schema -o suites/suite.schema.json`, then begin suites with
      `# yaml-language-server: $schema=suite.schema.json`
    """
    from harness.suite import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise StoreError(f"{out}: cannot write the schema (got: {error.strerror}); choose another file") from None
    errors.print(f"wrote {out}", markup=False)

"""Writes docs/reference.md from the tables of the code: ``python docs/make_reference.py``. A test keeps it current."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.cli import app
from harness.cli.listing import LISTS, What
from harness.record import COLUMNS, STATUS_DOC

REFERENCE = Path(__file__).with_name("reference.md")
_LEFT_OUT = {What.SUITES}  # described in suites.md
_MACHINE_COLUMNS = {"here", "cached"}


def reference() -> str:
    """The page's text."""
    parts = [
        "# Reference",
        "Written by `python docs/make_reference.py` from the tables of the code.",
        "## Commands",
        *_table(("command", "what it does"), _commands()),
        "Each has `--help` with examples; `harness --install-completion` sets up the shell.",
    ]
    for what, listing in LISTS.items():
        if what in _LEFT_OUT:
            continue
        keep = [index for index, name in enumerate(listing.columns) if name not in _MACHINE_COLUMNS]
        rows = [tuple(row[index] for index in keep) for row in listing.rows() if not _is_plugin(row)]
        parts += [f"## {what.capitalize()}", *_table(tuple(listing.columns[index] for index in keep), rows)]
    parts += ["## Statuses", *_table(("status", "meaning"), [(str(k), v) for k, v in STATUS_DOC.items()])]
    columns = [(name, str(column.type), column.doc) for name, column in COLUMNS.items()]
    parts += ["## Columns of the results", *_table(("column", "type", "meaning"), columns)]
    return "\n\n".join(parts) + "\n"


def _is_plugin(row: tuple[str, ...]) -> bool:
    from harness.kernels import KERNELS, all_kernels

    plugins = {(spec.op, spec.name) for spec in all_kernels()} - {(spec.op, spec.name) for spec in KERNELS}
    return tuple(row[:2]) in plugins


def _commands() -> list[tuple[str, str]]:
    group = typer.main.get_command(app)
    found: list[tuple[str, str]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for inner_name, inner in getattr(command, "commands", {"": command}).items():
            found.append((f"`harness {name} {inner_name}".rstrip() + "`", (inner.help or "").split("\n\n")[0]))
    return found


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return ["\n".join([line(columns), line(("---",) * len(columns)), *map(line, rows)])]


if __name__ == "__main__":
    REFERENCE.write_text(reference())

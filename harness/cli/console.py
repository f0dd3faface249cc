"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

_PLAIN_WIDTH = 200  # a file or a pipe has no width; 80 would cut names short


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PLAIN_WIDTH)


output = _console(stderr=False)
errors = _console(stderr=True)


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table in the house's look; ``right`` names the columns of numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=name in right)
    return made

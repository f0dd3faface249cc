"""How names look: colours of Okabe and Ito's palette and marker symbols, and the layout that every figure shares.

Colours of text, grid and background are not set here: the browser's script sets them for the light or the dark scheme.

Source: M. Okabe, K. Ito, "Color Universal Design", 2008 (the palette without black, which a dark page would swallow).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from harness.report.display import for_plotly, shortened, tick

# Neighbours in the legend differ in colour first; yellow comes last, having the least contrast on white.
PALETTE: tuple[str, ...] = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
# Plotly's symbol and the character that stands for it in tables.
SYMBOLS: tuple[tuple[str, str], ...] = (
    ("circle", "●"),
    ("square", "■"),
    ("diamond", "◆"),
    ("triangle-up", "▲"),
    ("triangle-down", "▼"),
    ("star", "★"),
    ("pentagon", "⬟"),
    ("hexagram", "✶"),
)
# A mid grey, at least 3:1 on the light and on the dark background.
NEUTRAL = "#808080"
MARKER_SIZE = 9
TICK_LENGTH = 48


@dataclass(frozen=True)
class Look:
    """Colour, Plotly symbol and the character that stands for the symbol in text."""

    color: str
    symbol: str
    glyph: str

    @property
    def marker(self) -> dict[str, Any]:
        # The outline keeps yellow visible on white and blue visible on black.
        outline = {"width": 1, "color": NEUTRAL}
        return {"color": self.color, "symbol": self.symbol, "size": MARKER_SIZE, "opacity": 0.9, "line": outline}

    @property
    def faint_marker(self) -> dict[str, Any]:
        return {"color": self.color, "symbol": self.symbol, "size": 4, "opacity": 0.45}


BASELINE = Look(NEUTRAL, "cross", "✚")
OTHERS = Look(NEUTRAL, "circle", "●")


def look(rank: int) -> Look:
    """The look of the name at position ``rank`` of the site (−1: the baseline); 56 differ, then they repeat."""
    if rank < 0:
        return BASELINE
    symbol, glyph = SYMBOLS[rank // len(PALETTE) % len(SYMBOLS)]
    return Look(PALETTE[rank % len(PALETTE)], symbol, glyph)


def axis(title: str, **settings: Any) -> dict[str, Any]:
    return {"title": {"text": title}, "automargin": True, **settings}


# Mantissas of the ticks of a logarithmic axis, from the finest grid to the coarsest.
_MANTISSAS: tuple[tuple[float, ...], ...] = (
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)
_TICKS = 8


def log_axis(title: str, values: Iterable[float | None], unit: str) -> dict[str, Any]:
    """A logarithmic axis for positive ``values``, its ticks labelled with SI prefixes and ``unit``.

    Plotly's own ticks on such an axis are either powers of ten alone, too few for less than two decades, or overlap.
    """
    known = [value for value in values if value]
    low, high = min(known, default=1.0), max(known, default=10.0)
    margin = max(1.1, (high / low) ** 0.03)
    low, high = low / margin, high * margin
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in _MANTISSAS:
        ticks = [mantissa * 10.0**decade for decade in decades for mantissa in mantissas]
        ticks = [value for value in ticks if low <= value <= high]
        if len(ticks) <= _TICKS:
            break
    labels = {"tickvals": ticks, "ticktext": [tick(value, unit) for value in ticks]}
    return axis(title, type="log", range=[math.log10(low), math.log10(high)], **labels)


def category_axis(names: Sequence[str], **settings: Any) -> dict[str, Any]:
    """A category axis from top to bottom; a value belongs to a name when it is ``for_plotly(name)``."""
    values = [for_plotly(name) for name in names]
    ticks = {"tickvals": values, "ticktext": [for_plotly(shortened(name, TICK_LENGTH)) for name in names]}
    order = {"categoryorder": "array", "categoryarray": values}
    # Without `type`, names that look like numbers or dates would become numbers or dates.
    return axis("", type="category", autorange="reversed", **order, **ticks, **settings)


def plot(
    traces: Sequence[dict[str, Any]],
    *,
    x: dict[str, Any],
    y: dict[str, Any],
    height: int = 420,
    notes: Sequence[str] = (),
    rows: bool = False,
    **layout: Any,
) -> go.Figure:
    """A figure whose plot area is ``height`` pixels; ``notes`` are sentences that the page prints below it.

    ``rows`` says that the names on the y axis stand for rows of points or bars, which may be named above them.
    """
    meta = {"height": height, "notes": [note for note in notes if note], "rows": rows}
    # An empty template instead of Plotly's default one, which would add 7 kB and its own colours to every figure. The
    # page makes the legend, of buttons that the keyboard reaches, from the names and glyphs of the traces.
    shared = {"template": go.layout.Template(), "hovermode": "closest", "showlegend": False}
    return go.Figure(data=list(traces), layout={**shared, "meta": meta, "xaxis": x, "yaxis": y, **layout})

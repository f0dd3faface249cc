"""Records as the data of the table page: by column, texts as indices into their distinct values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from harness.report.columns import COLUMNS, Column, Kind
from harness.report.display import MISSING, shortened
from harness.report.overview import environment_columns
from harness.report.style import look
from harness.report.tidy import natural_key

TEXT_LENGTH = 2000
DIGITS = 7

# Not in the results, therefore not in the CSV: names made for reading, and what the drop-downs filter by.
_DERIVED: tuple[Column, ...] = (
    Column("scheme_label", "Scheme", Kind.TEXT, shown=True),
    Column("shape_label", "Shape", Kind.TEXT, shown=True),
    Column("device_label", "Device", Kind.TEXT),
    Column("operand_format", "Format", Kind.TEXT),
    Column("operand_granularity", "Granularity", Kind.TEXT),
)
# Columns with a drop-down, in this order.
FILTERS: tuple[tuple[str, str], ...] = (
    ("op", "Operation"),
    ("status", "Status"),
    ("kernel", "Kernel"),
    ("operand_format", "Format"),
    ("operand_granularity", "Granularity"),
    ("shape_label", "Shape"),
    ("suite", "Suite"),
    ("device_label", "Device"),
)
_AFTER_KERNEL = 4


def table(records: pd.DataFrame) -> dict[str, Any]:
    """JSON-ready data of the table; columns without any value are left out.

    A text column is ``levels`` and ``codes`` (−1: null) or, where nearly every value differs, ``values``; a number
    column ``values``, with ``"inf"`` and ``"-inf"`` for what JSON lacks. A column of one value is ``constant``.
    """
    known = (*COLUMNS[:_AFTER_KERNEL], *_DERIVED, *COLUMNS[_AFTER_KERNEL:])
    columns = [_column(column, records[column.name]) for column in known if records[column.name].notna().any()]
    extra = [name for name in environment_columns(records) if records[name].notna().any()]
    columns += [_column(Column(name, name.replace("_", " "), _kind(records[name])), records[name]) for name in extra]
    return {
        "count": len(records),
        "columns": columns,
        "filters": [name for name, _ in FILTERS],
        "looks": _looks(records),
    }


def _kind(values: pd.Series) -> Kind:
    return Kind.NUMBER if pd.api.types.is_numeric_dtype(values.dtype) else Kind.TEXT


def _looks(records: pd.DataFrame) -> dict[str, list[str]]:
    """Colour and glyph of every scheme."""
    schemes = records[["scheme_label", "scheme_rank"]].drop_duplicates()
    looks = {str(name): look(int(rank)) for name, rank in schemes.itertuples(index=False)}
    return {name: [looks[name].color, looks[name].glyph] for name in sorted(looks, key=natural_key)}


def _column(column: Column, values: pd.Series) -> dict[str, Any]:
    head = {
        "name": column.name,
        "label": column.label,
        "kind": column.kind.value,
        "shown": column.shown,
        "derived": column in _DERIVED,
    }
    return head | (_numbers(values) if column.numeric else _texts(values))


def _texts(values: pd.Series) -> dict[str, Any]:
    # The en dash is how tidy records write null in a column that names must not lack.
    known = values.where(values != MISSING, None)
    short = known.map(lambda text: shortened(text, TEXT_LENGTH), na_action="ignore")
    codes, levels = pd.factorize(short, sort=False)
    names = [str(level) for level in levels]
    if len(names) == 1 and (codes == 0).all():
        return {"constant": names[0]}
    if len(names) > len(values) / 2:
        return {"values": [names[code] if code >= 0 else None for code in codes]}
    return {"levels": names, "codes": codes.tolist()}


def _numbers(values: pd.Series) -> dict[str, Any]:
    numeric = values.to_numpy(dtype=float)
    finite = numeric[np.isfinite(numeric)]
    # Counts, extents and seeds stay exact; measurements keep more digits than their noise.
    whole = bool((finite == np.rint(finite)).all() and (np.abs(finite) < 2**53).all())
    cells = [_cell(value, whole) for value in numeric.tolist()]
    if len(set(cells)) == 1:
        return {"constant": cells[0]}
    return {"values": cells}


def _cell(value: float, whole: bool) -> float | str | None:
    if math.isfinite(value):
        return int(value) if whole else float(f"{value:.{DIGITS}g}")
    if math.isnan(value):
        return None
    return "inf" if value > 0 else "-inf"

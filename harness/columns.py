"""What a column of the results is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

TEXT, REAL, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

Row = dict[str, Any]
"""A record as written: column → value, None where it does not apply."""


@dataclass(frozen=True)
class Column:
    """One column of the results."""

    name: str
    type: pa.DataType
    doc: str

"""Records as they come → records as the figures read them: every documented column present and typed, names derived.

Derived columns:

- ``scheme_label``: the scheme's name, or one made of its axes where the suite spelled them out;
- ``case``, ``op``, ``kernel``: as they come, an en dash for null;
- ``shape_label``: the shape's name and extents; ``device_label``: the model of what ran it (GPU, or CPU for CPU kernels), the
  device's name where that is unknown, never null: two models have the same device name, ``cuda:0``;
- ``operand_format``, ``operand_granularity``, ``operand_calibration``: of the weight, of the tensor in one-tensor ops,
  of the activation where nothing else is quantized;
- ``real``: whether the data come from a model rather than a distribution;
- ``scheme_rank``, ``kernel_rank``, ``calibration_rank``: position among all names of the site (the baseline's is −1),
  from which colour and symbol follow, so that a scheme looks the same in every figure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from harness.errors import StoreError
from harness.kernels.spec import PITFALL
from harness.report.columns import COLUMN_OF, COLUMNS
from harness.report.display import MISSING

UNQUANTIZED = "unquantized"

# `data` is one description or several joined ones (weight and activation); any real part makes the case real.
_REAL = re.compile(r"(?:^|[\s,;|/=+(:])(?:model:|captured\b)")
_DIGITS = re.compile(r"(\d+)")


@lru_cache(maxsize=65536)
def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts ``g32`` before ``g128``."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(text) if part)


def tidy(records: pd.DataFrame) -> pd.DataFrame:
    """Every column of ``COLUMNS`` (null where absent), numbers as float64, the rest as text, and the derived columns.

    Raises:
        StoreError: a column that holds numbers by definition holds something else.
    """
    count = len(records)
    columns: dict[str, pd.Series] = {}
    for name in [*COLUMN_OF, *(str(name) for name in records.columns if name not in COLUMN_OF)]:
        if name not in records.columns:
            kind = float if COLUMN_OF[name].numeric else object
            columns[name] = pd.Series([None] * count, dtype=kind)
        elif name in COLUMN_OF:
            columns[name] = _numeric(records[name]) if COLUMN_OF[name].numeric else as_text(records[name])
        else:
            columns[name] = _environment(records[name])
    frame = pd.DataFrame(columns)
    return frame.assign(**_derived(frame))


def _numeric(values: pd.Series) -> pd.Series:
    try:
        return pd.Series(pd.to_numeric(values).to_numpy(dtype=float, na_value=float("nan")))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"column {values.name!r}: must hold numbers (got {values.dtype}: {error}); "
            "was this file written by `harness run`?"
        ) from error


def _environment(values: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return _numeric(values)
    return as_text(values)


def as_text(values: pd.Series) -> pd.Series:
    """Text or None; booleans as in YAML."""
    missing = values.isna().to_numpy()
    plain = values.astype(object).to_numpy()
    texts = [None if absent else _text(value) for value, absent in zip(plain, missing, strict=True)]
    return pd.Series(texts, dtype=object)


def _text(value: object) -> str:
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return str(value).lower()
    return str(value)


def _derived(frame: pd.DataFrame) -> dict[str, pd.Series]:
    scheme = _scheme_label(frame)
    kernel = _filled(frame["kernel"])
    return {
        "scheme_label": scheme,
        "shape_label": _shape_label(frame),
        "device_label": _device_label(frame),
        "case": _filled(frame["case"]),
        "op": _filled(frame["op"]),
        "kernel": kernel,
        "operand_format": _operand(frame, "format"),
        "operand_granularity": _operand(frame, "granularity"),
        "operand_calibration": _operand(frame, "calibration"),
        "real": frame["data"].map(lambda text: bool(text) and _REAL.search(text) is not None).astype(bool),
        "scheme_rank": _rank(scheme, first=set(frame["scheme"].dropna())),
        "kernel_rank": _rank(kernel),
        "calibration_rank": _rank(_filled(_operand(frame, "calibration"))),
    }


def _device_label(frame: pd.DataFrame) -> pd.Series:
    gpu, cpu = (
        frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object) for name in ("gpu", "cpu")
    )
    model = gpu.where(frame["backend"] == "cuda", cpu)
    return _filled(model.where(model.notna(), frame["device"]))


def _filled(values: pd.Series) -> pd.Series:
    return values.where(values.notna(), MISSING)


def _rank(names: pd.Series, first: Collection[str] = ()) -> pd.Series:
    """Position of each name among all: ``first`` before the others, each in natural order; −1 for the baseline."""
    ordered = sorted(set(names) - {UNQUANTIZED}, key=lambda name: (name not in first, natural_key(name)))
    return names.map({UNQUANTIZED: -1} | {name: position for position, name in enumerate(ordered)}).astype(int)


def _operand(frame: pd.DataFrame, axis: str) -> pd.Series:
    first, second, third = (frame[prefix + axis] for prefix in ("weight_", "", "activation_"))
    return first.where(first.notna(), second.where(second.notna(), third))


def _scheme_label(frame: pd.DataFrame) -> pd.Series:
    rows = zip(
        frame["scheme"],
        _pair(frame, "weight_"),
        _pair(frame, "activation_"),
        _pair(frame, ""),
        strict=True,
    )
    return pd.Series([_label(*row) for row in rows], dtype=object)


def _pair(frame: pd.DataFrame, prefix: str) -> list[str]:
    rows = zip(frame[prefix + "format"], frame[prefix + "granularity"], strict=True)
    return [_joined(row) for row in rows]


def _label(scheme: str | None, weight: str, activation: str, tensor: str) -> str:
    if scheme:
        return scheme
    parts = [tensor, weight, f"a: {activation}" if activation else ""]
    return _joined(parts, " · ") or UNQUANTIZED


def _joined(parts: Sequence[str | None], separator: str = " ") -> str:
    return separator.join(part for part in parts if part)


def _shape_label(frame: pd.DataFrame) -> pd.Series:
    product = _extents(frame, ("m", "n", "k"))
    tensor = _extents(frame, ("rows", "cols"))
    rows = zip(frame["shape_name"], product, tensor, strict=True)
    return pd.Series(
        [_joined([name, first or second]) or MISSING for name, first, second in rows],
        dtype=object,
    )


def _extents(frame: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    columns = [frame[name] for name in names]
    return [
        "" if any(pd.isna(x) for x in row) else "×".join(f"{x:.0f}" for x in row) for row in zip(*columns, strict=True)
    ]


def recommendable(frame: pd.DataFrame) -> pd.Series:
    """Mask of the rows that figures and tables of the best may show: those that are ok, kernels that are wrong on purpose left
    out (some data do not show what is wrong with them)."""
    return (frame["status"] == "ok") & (frame["kernel_role"] != PITFALL)


def present(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Mask of the rows in which every one of ``columns`` has a value (±inf is a value)."""
    mask = np.ones(len(frame), dtype=bool)
    for name in columns:
        mask &= frame[name].notna().to_numpy()
    return pd.Series(mask, index=frame.index)


assert len(COLUMN_OF) == len(COLUMNS), "a column is listed twice"

"""Writes the table of reference results into README.md, between its marks: ``python docs/make_results.py``.

The figures come from results/reference/ and nowhere else. A test keeps them current.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from harness.kernels import kernel
from harness.kernels.digest import source_digest
from harness.store import read_results

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
_SUITES = ("quantize_speed", "dequantize", "gemm")
_SHAPES = ("256MiB", "256MiB.bf16", "llama3_8b.o.prefill")
_SCHEMES = ("int8/per_tensor", "int8/per_token", "int8/per_group:128", "int4/per_tensor", "int4/per_group:128")


def reference_results() -> pd.DataFrame:
    """Every reference record of the suites that the table shows."""
    return read_results([REFERENCE / suite for suite in _SUITES])


def table(frame: pd.DataFrame) -> str:
    """The table's Markdown, from records."""
    shown = frame[(frame["status"] == "ok") & (frame["backend"] == "cuda") & frame["shape_name"].isin(_SHAPES)]
    shown = shown[shown["scheme"].isin(_SCHEMES) | (shown["op"] == "gemm")]
    lines = [
        f"Measured on one {shown['gpu'].iloc[0]} (driver for CUDA {shown['cuda_driver'].iloc[0]}, "
        f"NVRTC {shown['nvrtc_version'].iloc[0]}), cold L2, medians:",
        "",
        "| op | kernel | tensor | scheme | time | rate | of copy | over f16 | SQNR |",
        "|---|---|---|---|--:|--:|--:|--:|--:|",
    ]
    rows = shown.to_dict("records")
    lines += [_line(row) for row in rows]
    if not all(map(_is_current, rows)):
        lines += ["", "† of an earlier source of that kernel than the one here (column `kernel_digest`)."]
    return "\n".join(lines)


def _is_current(row: dict[str, Any]) -> bool:
    """Whether the record is of the kernel's present source."""
    return source_digest(kernel(str(row["op"]), str(row["kernel"]))) == row["kernel_digest"]


def _line(row: dict[str, Any]) -> str:
    product = row["op"] == "gemm"
    shape = f"{row['m']} × {row['n']} × {row['k']}" if product else f"{row['rows']} × {row['cols']} {row['dtype']}"
    rate = f"{row['flops_per_s'] / 1e12:.0f} TOPS" if product else f"{row['bytes_per_s'] / 1e12:.2f} TB/s"
    cells = (
        row["op"],
        f"`{row['kernel']}`" + ("" if _is_current(row) else " †"),
        shape,
        row["scheme"] if isinstance(row["scheme"], str) else "–",
        f"{row['time_s'] * 1e6:.1f} µs",
        rate,
        "–" if product else f"{row['fraction_of_peak']:.0%}",
        f"{row['speedup']:.2f}×" if product else "–",
        f"{row['sqnr_db']:.1f} dB",
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def with_table(readme: str, made: str) -> str:
    """The README with the table between its marks."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{made}\n{END}", readme, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(), table(reference_results())))

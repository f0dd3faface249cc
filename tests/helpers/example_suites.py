"""Suites that several test modules start from, and devices to plan them for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.case import Case
from harness.device import Device
from harness.numerics.scheme import OperandScheme
from harness.plan import plan
from harness.suite import load_suite

CPU = Device("cpu", "cpu", "test", "x86_64", 64 << 30, frozenset({"vnni"}))
CUDA = Device("cuda:0", "cuda", "test", "sm_90", 64 << 30)
HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)

EXAMPLE = """\
name: gemm
description: Quantized matrix products on LLM and bird's-eye-view shapes
op: gemm                       # quantize | dequantize | fake_quantize | gemm | …
seed: 0
data:                          # default tensors; a shape may override
  weight:     {distribution: normal, std: 0.02}
  activation: {distribution: normal, outlier_channels: 0.01, outlier_scale: 20}
shapes:
  - {name: llama3_8b.qkv, m: [1, 16, 4096], n: 6144, k: 4096}
  - {name: rapidocr.rec.conv2d_184, weight: model:rapidocr-rec/conv2d_184, activation: captured, m: [64, 1024]}
  - {name: minilm.l0.output, weight: model:minilm-l6/encoder.layer.0.output.dense, m: [1, 64]}
matrix:                        # product of axes
  kernel: [cublas_f16, dp4a, wmma_s8, ort_f32, ort_matmul_integer, reference]   # both backends; absent ones are skipped
  weight.format: [int8, int4]
  weight.granularity: [per_tensor, per_channel, "per_group:128"]
  weight.symmetric: [true, false]
  weight.calibration: [minmax, "percentile:99.9", mse, kl]
  activation.format: [int8]
  activation.granularity: [per_tensor, per_token]
include: []                    # further combinations, each a mapping of axes
exclude: []                    # combinations to drop, each a mapping of axes
baseline: {cuda: cublas_f16, cpu: ort_f32}
measure: {l2: cold, mode: burst, min_samples: 50, max_time_s: 2.0}
"""
"""The example of the documentation, unchanged."""

PRODUCT = """\
name: small
op: gemm
shapes:
  - {name: a, m: [1, 16], n: 64, k: 64}
  - name: b
    m: 4
    n: 8
    k: 32
matrix:
  kernel: [reference, ort_f32]
  weight.format: int8
  weight.granularity: [per_tensor, per_channel]
"""

TENSOR = """\
name: tensors
op: quantize
shapes:
  - {name: a, rows: 4, cols: 8}
  - {name: b, shape: [2, 3, 4, 5], channel_axis: 1}
matrix:
  kernel: reference
  format: [int8, int4]
"""


def product(**changes: Any) -> dict[str, Any]:
    """A suite of products as a mapping: one shape, one kernel, int8 weights. ``changes`` replace top-level keys."""
    return {
        "name": "small",
        "op": "gemm",
        "shapes": [{"name": "a", "m": 16, "n": 64, "k": 4096}],
        "matrix": {"kernel": "reference", "weight.format": "int8"},
        **changes,
    }


def tensor(**changes: Any) -> dict[str, Any]:
    """A suite of one-tensor cases as a mapping. ``changes`` replace top-level keys."""
    return {
        "name": "tensors",
        "op": "quantize",
        "shapes": [{"name": "a", "rows": 64, "cols": 128}],
        "matrix": {"kernel": "reference", "format": "int8"},
        **changes,
    }


def planned(suite: dict[str, Any], device: Device = CPU) -> tuple[Case, ...]:
    """The suite's cases on the device."""
    return plan(load_suite(suite), device)


def cases_of(make: Any, *, kernel: Any = "reference", device: Device = CPU, more: Any = None, **axes: Any) -> Any:
    """Cases of a suite whose matrix has these axes; __ stands for the dot. ``more`` replaces top-level keys."""
    matrix = {"kernel": kernel, **{axis.replace("__", "."): values for axis, values in axes.items()}}
    return planned(make(matrix=matrix, **(more or {})), device)


def schemes_of(case: Case) -> tuple[OperandScheme | None, ...]:
    """The operands' schemes, in the order of the roles."""
    return tuple(operand.scheme for operand in case.operands)


CARET = "‸"
"""Marks the place in a text where an error is expected."""


def marked(text: str) -> tuple[str, str]:
    """The text without its mark, and the mark's ``line:column``."""
    before, mark, after = text.partition(CARET)
    assert mark, "the text has no mark"
    lines = before.split("\n")
    return before + after, f"{len(lines)}:{len(lines[-1]) + 1}"


def write(folder: Path, text: str | bytes, name: str = "suite.yaml") -> Path:
    """The text as a file in ``folder``, its line ends as they are."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def why_skipped(kernel: str, shape: dict[str, Any] | None = None, device: Device = HOPPER, **axes: Any) -> str | None:
    """Why a product of 4 x 8 x 256 (changed by ``shape``) is not run by this kernel; None: it is."""
    more = {"shapes": [{"name": "a", "m": 4, "n": 8, "k": 256, **(shape or {})}], "baseline": {}}
    found = cases_of(product, kernel=kernel, more=more, device=device, **axes)
    (case,) = [case for case in found if case.kernel == kernel]
    return case.skip

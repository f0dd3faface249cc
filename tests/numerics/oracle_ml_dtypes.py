"""The harness against ml_dtypes. Its traps: fp8_e4m3fn turns values from 465 into NaN and its integers truncate and
wrap, so values are clamped (and integers rounded by NumPy) before its conversion."""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from oracle_outcome import OracleRow, Outcome, differing, f32_sweep

from harness.numerics.formats import FORMATS
from harness.numerics.scales import round_to_bf16

FLOATS = {
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
LARGEST = {"fp8_e4m3": 448, "fp8_e5m2": 57344, "fp6_e2m3": 7.5, "fp6_e3m2": 28, "fp4_e2m1": 6}
INTEGERS = {
    "int2": ml_dtypes.int2,
    "int4": ml_dtypes.int4,
    "uint2": ml_dtypes.uint2,
    "uint4": ml_dtypes.uint4,
}


def encoded(name: str, x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The library's codes of a float format, saturating."""
    largest = np.float32(LARGEST[name])
    codes: NDArray[np.uint8] = np.clip(x, -largest, largest).astype(FLOATS[name]).view(np.uint8)
    return codes


def bf16(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The library's rounding to bfloat16."""
    with np.errstate(over="ignore"):
        return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def _encode(name: str) -> Outcome:
    row, x = FORMATS[name], f32_sweep()
    return Outcome(name, "ml_dtypes", "f32 → code", x.size, differing(row.encode(x), encoded(name, x)))


def _decode(name: str) -> Outcome:
    """Every code of so many bits, those of NaN and Inf included: the harness gives NaN for both."""
    row = FORMATS[name]
    codes = np.arange(1 << row.bits, dtype=np.uint8)
    theirs = codes.view(FLOATS[name]).astype(np.float32)
    theirs = np.where(np.isinf(theirs), np.float32(np.nan), theirs)
    return Outcome(name, "ml_dtypes", "code → f32", codes.size, differing(row.decode(codes), theirs))


def _integer(name: str) -> Outcome:
    row, x = FORMATS[name], f32_sweep()
    low, high = row.limits()
    theirs = np.clip(np.rint(x), low, high).astype(INTEGERS[name]).astype(np.float32)
    codes = row.encode(x)
    # The sign of zero is lost in an integer.
    return Outcome(name, "ml_dtypes", "f32 → code → f32", x.size, differing(row.decode(codes), theirs))


def _bf16() -> Outcome:
    x = f32_sweep()
    return Outcome("bf16 (scales)", "ml_dtypes", "f32 → bf16", x.size, differing(round_to_bf16(x), bf16(x)))


ROWS = (
    *(OracleRow(f"{name} encode", functools.partial(_encode, name)) for name in FLOATS),
    *(OracleRow(f"{name} decode", functools.partial(_decode, name)) for name in FLOATS),
    *(OracleRow(name, functools.partial(_integer, name)) for name in INTEGERS),
    OracleRow("bf16", _bf16),
)

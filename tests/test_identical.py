"""Bit-for-bit equality of outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.identical import identical


@dataclass(frozen=True, eq=False)
class Output:
    values: Any
    kind: str = "f32"


def _array(*values: float, dtype: Any = np.float32) -> Any:
    return np.array(values, dtype=dtype)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (_array(1, np.nan), _array(1, np.nan), True),
        (_array(0.0), _array(-0.0), False),
        (_array(1), _array(1, dtype=np.float64), False),
        (_array(1, 2), _array(1, 2).reshape(2, 1), False),
        (_array(1, 2, 3)[::2], _array(1, 3), True),
        (np.float32(3).reshape(()), np.float32(3).reshape(()), True),
        (Output(_array(1)), Output(_array(1)), True),
        (Output(_array(1)), Output(_array(2)), False),
        (Output(_array(1)), Output(_array(1), "exact"), False),
        ({"mse": float("nan"), "n": 3}, {"mse": float("nan"), "n": 3}, True),
        ({"mse": 1.0}, {"mse": 1.0, "n": 3}, False),
        (None, None, True),
        (None, _array(1), False),
    ],
)
def test_identical(one, other, same):
    assert identical(one, other) is same

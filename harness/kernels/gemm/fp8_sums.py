"""What sums of fp8 products lose in Hopper's tensor cores: a bound for kernels that are built on them.

The unit adds the products of a step along k and the sum so far after aligning them to the largest exponent among them, and
keeps 14 bits of each below it (DeepSeek-V3, arXiv 2412.19437, section 3.5.2): a term loses less than 2^-13 of the largest
one, and so does the result where it carries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 128
"""k after which a promoted sum is added to one in f32."""
STEP = 32
"""k of one product of the unit."""
TERM_LOSS = 2.0**-13
TERMS = STEP + 2
"""The products, the sum so far and the result."""


def lost(x: NDArray[Any], w: NDArray[Any], line: int) -> NDArray[np.float64]:
    """Bound [m, n] of what the products of ``x`` [m, k] and ``w`` [n, k] lose when the unit sums ``line`` of k at a time.

    The largest term of a step is the sum so far, what it lost included, or a product, which is at most the largest
    magnitudes of both operands within the step. Arrays of NumPy, or of CuPy, which stay on the device all along.
    """
    x, w = (each.astype(np.float64) for each in (x, w))
    total = np.zeros_like(x, shape=(len(x), len(w)))
    for first in range(0, x.shape[1], line):
        sums, loss = np.zeros_like(total), np.zeros_like(total)
        last = min(first + line, x.shape[1])
        for at in range(first, last, STEP):
            part = slice(at, min(at + STEP, last))
            of_x, of_w = (np.abs(each[:, part]).max(axis=1) for each in (x, w))
            loss += TERMS * TERM_LOSS * np.maximum(np.abs(sums) + loss, of_x[:, None] * of_w)
            sums += x[:, part] @ w[:, part].T
        total += loss
    return total

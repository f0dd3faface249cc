"""References on the device, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.session import session
from harness.device import Device


def product(device: Device, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """``a`` [m, k] times ``b`` [n, k] transposed (host arrays, any float or integer type), in float64 by cuBLAS.

    Sums of whole numbers are exact while they stay below 2^53. Raises MemoryError (cupy's) where the device has no room.
    """
    import cupy

    session(device)
    made = cupy.matmul(cupy.asarray(a).astype(cupy.float64), cupy.asarray(b).astype(cupy.float64).T)
    host: NDArray[np.float64] = made.get()
    return host


def evaluate(device: Device, function: Callable[..., Any], *arrays: NDArray[Any]) -> NDArray[np.float64]:
    """``function`` of host arrays, computed on the device: it is given CuPy's arrays. Raises MemoryError (cupy's)."""
    import cupy

    session(device)
    host: NDArray[np.float64] = function(*(cupy.asarray(each) for each in arrays)).get()
    return host

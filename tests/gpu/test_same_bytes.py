"""The comparison of arrays on the device, on which "nothing has changed" rests."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.cuda.same_bytes import same_bytes
from harness.backends.cuda.session import session

SIZES = (0, 1, 15, 16, 17, 255, 4097, (1 << 20) + 3)


@pytest.mark.parametrize("offset", (0, 1, 4, 16))
@pytest.mark.parametrize("size", SIZES)
def test_one_byte_is_found_wherever_it_is(device, size, offset):
    import cupy

    ours = session(device)
    given = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    one, other = cupy.asarray(given), cupy.empty(offset + size, dtype=np.uint8)[offset:]
    other[...] = one
    assert same_bytes(ours, one, other)
    for at in {0, size // 2, size - 1} if size else ():
        changed = given.copy()
        changed[at] ^= 1
        other[...] = cupy.asarray(changed)
        assert not same_bytes(ours, one, other), at
    assert not same_bytes(ours, one, cupy.empty(size + 1, dtype=np.uint8))

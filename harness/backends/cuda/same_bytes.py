"""Whether two arrays on the device hold the same bytes: a kernel of its own, since cupy's are compiled for seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.cuda.session import Session
from harness.kernels.specialisation import Specialisation

_THREADS, _BLOCKS = 256, 8  # a block's threads, blocks a multiprocessor
_WIDE = 16


def comparison(*, wide: bool) -> Specialisation:
    """Its compilation: in words of 16 bytes where ``wide``."""
    return Specialisation.of("common/differ.cu", WIDE=int(wide))


def same_bytes(session: Session, one: Any, other: Any) -> bool:
    """Whether ``one`` and ``other`` (contiguous cupy arrays) are of one size and equal byte by byte. Waits for the stream."""
    import cupy

    if one.nbytes != other.nbytes:
        return False
    differs = cupy.zeros(1, dtype=np.uint32)
    wide = all(int(each.data.ptr) % _WIDE == 0 for each in (one, other))
    kernel = session.kernel(comparison(wide=wide), "differ")
    blocks = min(_BLOCKS * session.multiprocessors, 1 + one.nbytes // (_WIDE * _THREADS))
    session.launch(kernel, blocks, _THREADS, one, other, np.uint64(one.nbytes), differs)
    session.synchronize()
    return not int(differs.get()[0])

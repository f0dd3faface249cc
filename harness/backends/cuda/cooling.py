"""The state of the second-level cache before a launch: cold by fresh operands or by writing over it, or hot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel

_MAX_SETS = 16
_L2_MULTIPLE = 2


class Hot:
    """The same operands again and again."""

    def __init__(self, kernel: CudaKernel) -> None:
        self._kernel = kernel

    def next(self) -> None:
        """Make ready for the next launch, in the stream."""


class Cold(Hot):
    """The next of so many sets that they exceed the cache twice (at least two); where that would take too many sets or
    too much memory, a buffer twice the cache is written instead."""

    def __init__(self, kernel: CudaKernel) -> None:
        super().__init__(kernel)
        release_persisting_lines()
        self._index = 0
        self._flush: Flush | None = None
        wanted = max(2, -(-_L2_MULTIPLE * kernel.session.l2_bytes // max(1, kernel.operand_bytes)))
        if wanted > _MAX_SETS or not add_sets(kernel, wanted):
            self._flush = Flush(kernel)

    def next(self) -> None:
        if self._flush is not None:
            self._flush.write()
        self._index += 1
        self._kernel.select(self._index)


class Flush:
    """A buffer of ``multiple`` times the cache that is written over."""

    def __init__(self, kernel: CudaKernel, multiple: int = _L2_MULTIPLE) -> None:
        import cupy

        self._buffer: Any = cupy.zeros(multiple * kernel.session.l2_bytes, dtype=np.uint8)
        self._count = 0

    def write(self) -> None:
        """In the stream."""
        self._count += 1
        self._buffer.data.memset_async(self._count & 0xFF, self._buffer.nbytes)  # cupy's fill stores byte by byte


def add_sets(kernel: CudaKernel, wanted: int) -> bool:
    """Whether there was memory for ``wanted`` sets; what there was room for stays."""
    try:
        while kernel.sets < wanted:
            kernel.add_set()
    except MemoryError:
        return False
    return True


def release_persisting_lines() -> None:
    """Lines that were marked as persisting survive a flush: make them ordinary ones (devices without such do nothing)."""
    from cuda.bindings import driver

    driver.cuCtxResetPersistingL2Cache()

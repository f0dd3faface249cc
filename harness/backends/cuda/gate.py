"""A gate before the stream's work: while it is shut the host queues launches, then they run without waiting for it."""

from __future__ import annotations

import numpy as np

from harness.backends.cuda.session import Session
from harness.kernels.specialisation import Specialisation

_SOURCE = Specialisation("common/gate.cu")
_LIMIT_NS = 200_000_000
"""A launch that waits for the device itself (an allocation may) would never get to open the gate."""


class Gate:
    """A kernel that spins on a word of the host's memory."""

    def __init__(self, session: Session) -> None:
        import cupy

        self._session = session
        self._kernel = session.kernel(_SOURCE, "gate")
        self._memory = cupy.cuda.alloc_pinned_memory(4)  # the device reads it at the same address
        self._opened = np.frombuffer(self._memory, dtype=np.uint32, count=1)
        self._opened[0] = 0
        self._ticket = 0

    def shut(self) -> None:
        """What is put into the stream from now on waits for ``open``."""
        self._ticket += 1
        address, ticket = np.uint64(self._memory.ptr), np.uint32(self._ticket)
        self._session.launch(self._kernel, 1, 1, address, ticket, np.uint64(_LIMIT_NS))

    def open(self) -> None:
        """Let the stream go on."""
        self._opened[0] = self._ticket

"""Launches in a CUDA graph, for kernels so short that what comes between an event and a launch counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.backends.cuda.cooling import Flush, add_sets

if TYPE_CHECKING:
    from harness.backends.cuda.kernel import CudaKernel

_LENGTH_S = 100e-6
_MOST = 32
_FEWEST = 4


class Batch:
    """A graph of launches. Cold: each launch has a set of operands of its own, and the cache is written over before the
    graph is replayed; hot: one set."""

    def __init__(self, kernel: CudaKernel, launches: int, *, cold: bool) -> None:
        self.launches = launches
        self._stream = kernel.session.stream
        self._flush = Flush(kernel) if cold else None
        builder = self._stream.create_graph_builder().begin_building()
        try:
            for index in range(launches):
                kernel.select(index if cold else 0)
                kernel.launch()
        finally:
            builder.end_building()
        self._graph: Any = builder.complete()
        self._graph.upload(self._stream)

    def next(self) -> None:
        """Make ready for the next replay, in the stream."""
        if self._flush is not None:
            self._flush.write()

    def launch(self) -> None:
        """Replay. Asynchronous."""
        self._graph.launch(self._stream)


def batch_of(kernel: CudaKernel, launch_s: float, *, cold: bool) -> Batch | None:
    """A batch of about 100 µs for a kernel that takes ``launch_s``; None where its launches cannot be captured or there
    is no memory for a set a launch."""
    launches = max(_FEWEST, min(_MOST, round(_LENGTH_S / launch_s)))
    if cold and not add_sets(kernel, launches):
        return None
    try:
        return Batch(kernel, launches, cold=cold)
    except Exception:  # a launch that allocates or waits, say; what is wrong with it otherwise shows when it runs alone
        return None

"""Which operands a launch gets, and when the cache is written over instead."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness.backends.cuda.cooling as cooling
from harness.backends.cuda.batch import batch_of

L2 = 50 << 20


class Kernel:
    """Counts its sets, up to what memory holds; ``log`` is what was put into the stream."""

    def __init__(self, operand_bytes: int, room: int = 1000, capturable: bool = True) -> None:
        self.operand_bytes, self.sets, self._room, self.log = operand_bytes, 1, room, list[str]()
        graph = SimpleNamespace(upload=lambda stream: None, launch=lambda stream: self.log.append("replay"))
        builder = SimpleNamespace(end_building=lambda: None, complete=lambda: graph)
        builder.begin_building = lambda: builder
        self.session = SimpleNamespace(l2_bytes=L2, stream=SimpleNamespace(create_graph_builder=lambda: builder))
        self._capturable = capturable

    def add_set(self) -> None:
        if self.sets >= self._room:
            raise MemoryError
        self.sets += 1

    def select(self, index: int) -> None:
        self.log.append(f"set {index % self.sets}")

    def launch(self) -> None:
        if not self._capturable:
            raise RuntimeError("operation not permitted when the stream is capturing")
        self.log.append("launch")


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    """Buffers in host memory that say when they are written."""
    made: list[Any] = []

    def zeros(size: int, dtype: Any) -> Any:
        writes: list[int] = []
        data = SimpleNamespace(memset_async=lambda value, count: writes.append(value))
        made.append(SimpleNamespace(size=size, nbytes=size, writes=writes, data=data))
        return made[-1]

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(zeros=zeros, uint8=np.uint8))
    monkeypatch.setattr(cooling, "release_persisting_lines", lambda: None)
    return made


@pytest.mark.parametrize(("operand_bytes", "sets"), [(500 << 20, 2), (100 << 20, 2), (40 << 20, 3), (7 << 20, 15)])
def test_sets_exceed_the_cache_twice_and_take_turns(cupy, operand_bytes, sets):
    kernel = Kernel(operand_bytes)
    cold = cooling.Cold(kernel)
    assert kernel.sets == sets
    for _ in range(2 * sets):
        cold.next()
    assert kernel.log == [f"set {index % sets}" for index in range(1, 2 * sets + 1)]
    assert not cupy


@pytest.mark.parametrize("kernel", [Kernel(1 << 20), Kernel(7 << 20, room=4)], ids=["too many sets", "no memory"])
def test_a_buffer_twice_the_cache_is_written_where_sets_cannot_do_it(cupy, kernel):
    cold = cooling.Cold(kernel)
    cold.next()
    cold.next()
    (buffer,) = cupy
    assert buffer.size == 2 * L2
    assert len(set(buffer.writes)) == 2, "other bytes each time"


def test_hot_operands_stay(cupy):
    kernel = Kernel(1 << 20)
    cooling.Hot(kernel).next()
    assert (kernel.log, kernel.sets, cupy) == ([], 1, [])


@pytest.mark.parametrize(("launch_s", "launches"), [(1e-6, 32), (5e-6, 20), (9.9e-6, 10)])
def test_each_launch_of_a_cold_graph_has_a_set_of_its_own(cupy, launch_s, launches):
    kernel = Kernel(1 << 10)
    batch = batch_of(kernel, launch_s, cold=True)
    assert (batch.launches, kernel.sets) == (launches, launches)
    assert kernel.log[::2] == [f"set {index}" for index in range(launches)]
    batch.next()
    batch.launch()
    assert len(cupy[0].writes) == 1
    assert kernel.log[-1] == "replay"


def test_a_hot_graph_launches_one_set_and_writes_over_nothing(cupy):
    kernel = Kernel(1 << 10)
    batch = batch_of(kernel, 5e-6, cold=False)
    batch.next()
    assert set(kernel.log[::2]) == {"set 0"}
    assert not cupy


@pytest.mark.parametrize("kernel", [Kernel(1 << 10, room=5), Kernel(1 << 10, capturable=False)])
def test_no_graph_without_memory_or_where_launches_cannot_be_captured(cupy, kernel):
    assert batch_of(kernel, 5e-6, cold=True) is None

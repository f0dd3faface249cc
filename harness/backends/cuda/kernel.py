"""What kernels of this backend have in common: operands on the device, several sets of them, and how they are launched."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.same_bytes import same_bytes
from harness.backends.cuda.session import Session, session
from harness.device import Device

Arrays = dict[str, Any]
"""Name → cupy array."""
POISON = 0xA5
"""Byte that outputs are filled with before a launch: what a kernel leaves unwritten is then no valid result."""
NULL = np.uint64(0)
"""A null pointer, as an argument of a launch."""
WIDEST_ACCESS = 16
"""Bytes that a thread can move at once."""


@dataclass(frozen=True)
class Output:
    """An output to allocate: extents and element type."""

    shape: tuple[int, ...]
    dtype: Any


class CudaKernel(ABC):
    """One kernel on one problem.

    Subclasses hand over ``inputs`` (host or device arrays) and ``outputs``, and launch on a set of those. Timing adds
    further sets, equal in content, and selects them in turn, so that what a launch reads is not in the cache.

    ``offset``: elements that every operand begins behind an address of the allocator's, which is a multiple of 512 bytes. A
    subclass with another one than 0 is the kernel on misaligned views.
    """

    offset: ClassVar[int] = 0

    def __init__(self, device: Device, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, Output]) -> None:
        self.session: Session = session(device)
        self._outputs = dict(outputs)
        self._current = 0
        self._given = dict(inputs)
        self._kept: Arrays = {}
        self._inputs = {name: self._placed(_on_device(array)) for name, array in inputs.items()}
        self._sets: list[Arrays] = [{**self._inputs, **self._poisoned_outputs()}]

    @abstractmethod
    def launch_on(self, arrays: Arrays) -> None:
        """Put the kernel's launches into the session's stream, on this set of operands."""

    def launch(self) -> None:
        """One launch on the selected set. Asynchronous."""
        self.launch_on(self._sets[self._current])

    def array(self, name: str) -> NDArray[Any]:
        """An operand of the selected set, on the host. Waits for the stream, and raises what went wrong in it."""
        self.session.synchronize()
        found: NDArray[Any] = self._sets[self._current][name].get()
        return found

    @property
    def operand_bytes(self) -> int:
        """Bytes of one set."""
        return sum(int(array.nbytes) for array in self._sets[0].values())

    @property
    def sets(self) -> int:
        """How many sets there are."""
        return len(self._sets)

    def add_set(self) -> None:
        """One more set, equal inputs and poisoned outputs. Raises MemoryError (cupy's) where there is no room."""
        copies = {name: self._placed(array, anew=True) for name, array in self._inputs.items()}
        self._sets.append({**copies, **self._poisoned_outputs()})

    def select(self, index: int) -> None:
        """Choose the set that ``launch`` and ``array`` use, counted round and round."""
        self._current = index % len(self._sets)

    def poison(self) -> None:
        """Fill the outputs of every set anew, so that no result of an earlier launch can pass for a later one's."""
        for arrays in self._sets:
            for name in self._outputs:
                _fill(arrays[name])

    def keep(self) -> None:
        """Remember what the last launch made: comparing it there moves nothing to the host."""
        import cupy

        arrays = self._sets[self._current]
        try:
            self._kept = {name: arrays[name].copy() for name in self._outputs}
        except cupy.cuda.memory.OutOfMemoryError:
            self._kept = {}

    def unchanged(self) -> bool:
        """Whether the last launch made, byte by byte, what is remembered. False where nothing is (there was no room)."""
        self.session.synchronize()
        arrays = self._sets[self._current]
        return bool(self._kept) and all(
            same_bytes(self.session, arrays[name], kept) for name, kept in self._kept.items()
        )

    def altered_operand(self) -> str | None:
        """An operand of the selected set that is no longer what was handed over; None where all are. Operands are read
        only: a launch that changes them is timed on others than were checked."""
        self.session.synchronize()
        for name, given in self._given.items():
            if not same_bytes(self.session, _on_device(given), self._sets[self._current][name]):
                return name
        return None

    def _poisoned_outputs(self) -> Arrays:
        made = {}
        for name, output in self._outputs.items():
            made[name] = self._empty(output.shape, output.dtype)
            _fill(made[name])
        return made

    def alignment(self, names: Iterable[str]) -> int:
        """The largest power of two, at most WIDEST_ACCESS, that the addresses of these operands are multiples of; names
        without an operand do not count. All sets are alike."""
        arrays = self._sets[0]
        return math.gcd(WIDEST_ACCESS, *(int(arrays[name].data.ptr) for name in names if name in arrays))

    def _placed(self, array: Any, *, anew: bool = False) -> Any:
        """``array`` where the class wants operands; a copy where it is not there, or ``anew``."""
        if not self.offset and not anew:
            return array
        made = self._empty(array.shape, array.dtype)
        made[...] = array
        return made

    def _empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        import cupy

        if not self.offset:
            return cupy.empty(shape, dtype=dtype)
        kind = np.dtype(dtype)
        begin, size = self.offset * kind.itemsize, math.prod(shape) * kind.itemsize
        return cupy.empty(begin + size, dtype=np.uint8)[begin:].view(kind).reshape(shape)


def _fill(array: Any) -> None:
    if array.nbytes:
        array.data.memset_async(POISON, array.nbytes)


def _on_device(array: NDArray[Any]) -> Any:
    import cupy

    return cupy.ascontiguousarray(cupy.asarray(array))

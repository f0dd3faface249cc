"""What a family gives the runner: problems, verdicts, accuracy and work counts; and what a kernel's class looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from harness.case import Case
    from harness.kernels.tensors import Tensors

Metrics = Mapping[str, float | int | None]
Described = Mapping[str, float | int | str | None]
"""Metrics, and how the errors are distributed, as text."""


@dataclass(frozen=True)
class Verdict:
    """Conformance of one output. ``reason`` says what is wrong; ``mismatches`` counts wrong codes where codes are made;
    ``bound_used`` is the largest error over its bound (at most 1 conforms) where a bound is what outputs are held to."""

    reason: str | None = None
    mismatches: int | None = None
    bound_used: float | None = None

    @property
    def conforms(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Work:
    """Floor of one launch: bytes that must move, operations that must be done (0: none worth counting), and those of the
    bytes that must be read: what is written, or was read before, may stay in a cache."""

    moved_bytes: int
    flops: int
    read_bytes: int


class Kernel(Protocol):
    """One kernel on one problem. A spec's ``entry`` makes it from (problem, device), outside the timed part: that is
    where packing and set-up happen. ``launch`` is what is timed."""

    def launch(self) -> None: ...

    def output(self) -> Any:
        """What the last launch made, in the family's terms."""


@runtime_checkable
class Guarded(Kernel, Protocol):
    """A kernel whose buffers can be guarded against one that only seems to work."""

    def poison(self) -> None:
        """Fill all outputs with what is no valid result."""

    def keep(self) -> None:
        """Remember, on the device, what the last launch made."""

    def unchanged(self) -> bool:
        """Whether the last launch made, byte by byte, what is remembered. False where nothing is (there was no room)."""

    def altered_operand(self) -> str | None:
        """The name of an operand that no longer holds what was handed over; None where all do."""


class Family(Protocol):
    """One op's semantics."""

    def problem(self, case: Case, tensors: Tensors) -> Any:
        """Operands loaded, calibrated and quantized."""

    def judge(self, problem: Any, output: Any) -> Verdict:
        """Conformance: the kernel's output against the oracle on the same quantized operands."""

    def accuracy(self, problem: Any, output: Any) -> Described:
        """How far the output is from the unquantized result."""

    def work(self, problem: Any, output: Any) -> Work:
        """Floor of one launch that made ``output``."""

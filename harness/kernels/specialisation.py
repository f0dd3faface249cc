"""One compilation of a CUDA source: what planning can name, the compiler can build and the evidence is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.kernels.spec import Request

SOURCE_ROOT = Path(__file__).resolve().parent
"""Sources and their includes are named relative to this folder."""


@dataclass(frozen=True)
class Specialisation:
    """A source file (relative to SOURCE_ROOT, or absolute) with the macros that it is compiled with."""

    source: str
    macros: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, source: str, **macros: str | int) -> Specialisation:
        """Macros by name; their order does not matter."""
        return cls(source, tuple(sorted((name, str(value)) for name, value in macros.items())))

    def changed(self, *without: str, **macros: str | int) -> Specialisation:
        """The same source with these macros besides, or in place of those of their names, and some left out."""
        kept: dict[str, str | int] = {name: value for name, value in self.macros if name not in without}
        return Specialisation.of(self.source, **{**kept, **macros})

    @property
    def path(self) -> Path:
        return SOURCE_ROOT / self.source

    @property
    def label(self) -> str:
        """``quantize/quantize.cu BITS=8 INPUT=0``."""
        return " ".join([self.source, *(f"{name}={value}" for name, value in self.macros)])


@dataclass(frozen=True)
class CudaSource:
    """What a kernel declares about its CUDA source.

    ``specialise`` names the compilation that a request needs: pure, so that compiling needs no device and no data.
    ``capability`` is the lowest compute capability that can run it, or ``only`` names the architectures whose instructions it
    is written in, which no later one has (``sm_90a``); ``max_registers`` a thread is what any compilation
    may use (measured, with a little room), and none may spill more than ``max_stack_bytes`` a thread.
    """

    file: str
    specialise: Callable[[Request], Specialisation]
    max_registers: int
    capability: tuple[int, int] = (8, 0)
    max_stack_bytes: int = 0
    only: tuple[str, ...] = ()

    def problem_on(self, architecture: str) -> str | None:
        """Why it cannot run on ``architecture`` (``sm_90a``), or None."""
        if self.only:
            return None if architecture in self.only else f"needs {' or '.join(self.only)}, this is {architecture}"
        if capability_of(architecture) >= self.capability:
            return None
        major, minor = self.capability
        return f"needs compute capability {major}.{minor}, {architecture} is lower"


def capability_of(architecture: str) -> tuple[int, int]:
    """``sm_90a`` → (9, 0); ``sm_120a`` → (12, 0)."""
    digits = "".join(char for char in architecture if char.isdigit())
    return int(digits[:-1]), int(digits[-1])

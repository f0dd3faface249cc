"""The suite that planning reads: frozen, canonical, free of the file it came from."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.source import DataSource
from harness.timing import Measure

AxisValue = str | bool
Axes = tuple[tuple[str, tuple[AxisValue, ...]], ...]
"""Axis → values, in the order in which the suite lists them."""


@dataclass(frozen=True)
class Shape:
    """One shape. ``extents`` is (m, n, k) of a product, else the tensor's shape; ``sources`` the data of each role;
    ``dtype`` the type that a one-tensor op's tensor is stored in; of a product, that of both operands' values and the output."""

    name: str
    extents: tuple[int, ...]
    sources: tuple[tuple[str, DataSource], ...]
    channel_axis: int = 0
    dtype: str = "f32"

    @property
    def label(self) -> str:
        """``normal[256x4096]``, ``normal[256x4096,bf16]``: part of a case's name and identity."""
        kind = "" if self.dtype == "f32" else f",{self.dtype}"
        return f"{self.name}[{'x'.join(map(str, self.extents))}{kind}]"


@dataclass(frozen=True)
class Include:
    """Further combinations, or ones to drop; ``shapes`` are patterns of shape names, empty for all shapes."""

    axes: Axes
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A loaded suite. ``baseline`` is (backend, kernel) pairs."""

    name: str
    description: str
    op: str
    seed: int
    shapes: tuple[Shape, ...]
    matrix: Axes
    include: tuple[Include, ...]
    exclude: tuple[Include, ...]
    baseline: tuple[tuple[str, str], ...]
    measure: Measure
    reference_rows: int

"""What is known of a layer without its weight's values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["linear", "conv"]


@dataclass(frozen=True, kw_only=True)
class StoredLayer:
    """A layer as a file has it.

    ``tensor`` is the weight's full name and ``stored`` its shape in the file: [n, k] for a linear weight, [k, n] where
    it is ``transposed``, [O, I/groups, *kernel] for a convolution's.
    """

    name: str
    tensor: str
    stored: tuple[int, ...]
    kind: Kind
    groups: int = 1
    transposed: bool = False

    @property
    def matrix(self) -> tuple[int, int]:
        """The weight as [n, k]: output channels by the inputs of one output."""
        rows, *columns = reversed(self.stored) if self.transposed else self.stored
        return rows, math.prod(columns)

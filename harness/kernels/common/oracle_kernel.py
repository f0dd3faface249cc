"""The oracle run as a kernel: a function of the problem, with what it made kept for the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from harness.device import Device


class OracleKernel:
    """Subclasses name the function; ``staticmethod`` keeps it from binding."""

    compute: ClassVar[Callable[[Any], Any]]

    def __init__(self, problem: Any, device: Device) -> None:
        self._problem = problem
        self._made: Any = None

    def launch(self) -> None:
        self._made = type(self).compute(self._problem)

    def output(self) -> Any:
        return self._made

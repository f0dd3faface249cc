"""The oracle run as a kernel: a function of the problem, with what it made kept for the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.device import Device
from harness.kernels.family import Kernel


class OracleKernel:
    """Runs ``compute(problem)`` as its launch."""

    def __init__(self, compute: Callable[[Any], Any], problem: Any) -> None:
        self._compute, self._problem = compute, problem
        self._made: Any = None

    def launch(self) -> None:
        self._made = self._compute(self._problem)

    def output(self) -> Any:
        return self._made


def oracle_kernel(compute: Callable[[Any], Any]) -> Callable[[Any, Device], Kernel]:
    """What a spec's ``entry`` names: makes the kernel for a problem, on any device."""
    return lambda problem, device: OracleKernel(compute, problem)

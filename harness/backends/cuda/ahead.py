"""What a run needs compiled, made before its first case."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.backends.cuda.compiler import precompile
from harness.case import Case
from harness.device import Device
from harness.kernels import kernel as kernel_row
from harness.kernels.specialisation import Specialisation


def specialisations(cases: Iterable[Case]) -> tuple[Specialisation, ...]:
    """Every compilation that the cases which can run need, once."""
    found: dict[Specialisation, None] = {}
    for case in cases:
        spec = kernel_row(case.op, case.kernel)
        if case.skip is None and spec.cuda is not None:
            found[spec.cuda.specialise(case.request)] = None
    return tuple(found)


def compile_ahead(cases: Iterable[Case], device: Device, say: Callable[[str], None]) -> None:
    """Compile in parallel what the cases need and the cache lacks; ``say`` is told how much that is."""
    precompile(specialisations(cases), device.architecture, say)

"""What a run needs compiled, made before its first case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harness.backends.cuda.compiler import precompile
from harness.case import Case
from harness.device import Device
from harness.kernels import kernel as kernel_row
from harness.kernels.spec import KernelSpec, Request
from harness.kernels.specialisation import Specialisation
from harness.tuning.candidates import candidates, configurations


def specialisations(cases: Iterable[Case], device: Device) -> tuple[Specialisation, ...]:
    """Every compilation that the cases which can run on ``device`` need, once: of a kernel that chooses, all that it chooses
    from."""
    found: dict[Specialisation, None] = {}
    for case in cases:
        if case.skip is None:
            spec, request = kernel_row(case.op, case.kernel), case.request
            chosen = candidates(case.op, request, device) if spec.chooses else (spec,)
            found |= dict.fromkeys(each for one in chosen for each in _of_kernel(one, request, every=spec.chooses))
    return tuple(found)


def _of_kernel(spec: KernelSpec, request: Request, *, every: bool) -> Iterator[Specialisation]:
    """The kernel as it is compiled unless something else was found faster; in ``every`` configuration."""
    if spec.cuda is not None:
        made = spec.cuda.specialise(request)
        yield from (made.changed(**macros) for macros in (configurations(spec) if every else ({},)))


def compile_ahead(cases: Iterable[Case], device: Device, say: Callable[[str], None]) -> None:
    """Compile in parallel what the cases need and the cache lacks; ``say`` is told how much that is."""
    precompile(specialisations(cases, device), device.architecture, say)

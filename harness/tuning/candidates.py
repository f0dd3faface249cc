"""What is chosen from: kernels, and configurations of each."""

from __future__ import annotations

from collections.abc import Mapping

from harness.device import Device
from harness.kernels import all_kernels
from harness.kernels.spec import KernelSpec, Request


def candidates(op: str, request: Request, device: Device) -> tuple[KernelSpec, ...]:
    """The kernels of this repository that could serve ``request``, output types and definitions alike."""
    return tuple(
        spec
        for spec in all_kernels()
        if spec.op == op
        and spec.role == "kernel"
        and not spec.chooses
        and spec.backend == device.backend
        and not spec.gives_codes
        and spec.problem(request, device) is None
    )


def configurations(spec: KernelSpec) -> tuple[Mapping[str, int], ...]:
    """What may be chosen for the kernel: the macros that differ from those it is compiled with."""
    return tuple(getattr(spec.load(), "configurations", ())) or ({},)

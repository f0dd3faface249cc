"""Makes a case's kernel: in the configuration that was found fastest, or, for kernels that choose, the fastest of all."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.backends import BACKENDS
from harness.device import Device
from harness.errors import HarnessError
from harness.kernels.digest import source_digest
from harness.kernels.spec import KernelSpec, Request, load_attribute
from harness.timing import Measure
from harness.tuning.candidates import candidates, configurations
from harness.tuning.key import request_key
from harness.tuning.table import Choice, Known

_MEASURE = Measure(min_samples=15, max_samples=60, min_time_s=0.0, max_time_s=0.15)
"""Long enough to tell 3 percent: medians of cold launches differ by less than 1 from one time to the next."""
_FAILURES = (RuntimeError, MemoryError, ValueError, HarnessError)


@dataclass(frozen=True, eq=False)
class Task:
    """One problem, as kernels are asked about it and as they take it; ``family`` judges outputs."""

    op: str
    request: Request
    problem: Any
    family: Any

    @property
    def key(self) -> str:
        return request_key(self.op, self.request)


@dataclass(frozen=True, eq=False)
class Made:
    """A kernel on its problem, the row that it is of, and in words what was chosen for it (None: nothing was)."""

    spec: KernelSpec
    kernel: Any
    configuration: str | None


def make(spec: KernelSpec, task: Task, device: Device) -> Made:
    """The kernel of ``spec``; of one that ``chooses`` the fastest kernel, measured now where it never was.

    Raises what the kernel raises; HarnessError where none of those that could be chosen works.
    """
    chosen = _fastest(task, device) if spec.chooses else spec
    macros = _known_macros(chosen, task, device)
    words = [chosen.name] if spec.chooses else []
    words += [f"{name}={value}" for name, value in sorted(macros.items())]
    return Made(chosen, _made(chosen, task, device, macros), " ".join(words) or None)


def measured(spec: KernelSpec, task: Task, device: Device, *, anew: bool = False) -> Choice:
    """The fastest conforming configuration of ``spec`` for ``task``: as known, or measured now and kept."""
    known, digest = _known(device), source_digest(spec)
    found = None if anew else known.find(task.key, spec.name, digest)
    if found is None:
        timed = [Choice(digest, time_s, macros) for macros, time_s in _times(spec, task, device)]
        found = min(timed, key=lambda each: each.time_s or 0.0) if timed else Choice(digest, None)
        known.add(task.key, spec.name, found)
    return found


def _fastest(task: Task, device: Device) -> KernelSpec:
    timed = [(measured(spec, task, device).time_s, spec) for spec in candidates(task.op, task.request, device)]
    working = [(time_s, spec) for time_s, spec in timed if time_s is not None]
    if not working:
        names = ", ".join(spec.name for _, spec in timed) or "none takes it"
        raise HarnessError(
            f"auto: needs one kernel that conforms (tried: {names}); name one to see what is wrong with it"
        )
    return min(working, key=lambda each: each[0])[1]


def _known_macros(spec: KernelSpec, task: Task, device: Device) -> Mapping[str, int]:
    if len(configurations(spec)) == 1:
        return {}
    found = _known(device).find(task.key, spec.name, source_digest(spec))
    return found.macros if found is not None else {}


def _times(spec: KernelSpec, task: Task, device: Device) -> Iterator[tuple[Mapping[str, int], float]]:
    """Configurations that conform, and their medians."""
    timer = timer_of(device)
    for macros in configurations(spec):
        try:
            kernel = _made(spec, task, device, macros)
            kernel.launch()
            if not task.family.judge(task.problem, kernel.output()).conforms:
                continue
            yield macros, timer(kernel, _MEASURE, max_samples=spec.max_samples).time_s
        except _FAILURES:
            continue


def timer_of(device: Device) -> Any:
    """What times a kernel there."""
    return load_attribute(BACKENDS[device.backend].timer)


def _made(spec: KernelSpec, task: Task, device: Device, macros: Mapping[str, int]) -> Any:
    kind = spec.load()
    return kind(task.problem, device, macros) if macros else kind(task.problem, device)


@functools.cache
def _known(device: Device) -> Known:
    return Known(device.model, _identity(device))


def _identity(device: Device) -> str:
    """A device's own: another card of the same model, or another driver, is measured again."""
    find = BACKENDS[device.backend].identity
    words: tuple[str, ...] = load_attribute(find)(device) if find else (device.model,)
    return " ".join(words)

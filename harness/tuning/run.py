"""Measures what is fastest for the cases of a suite, and keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.case import Case
from harness.device import Device
from harness.execute import tensors_on
from harness.kernels.ops import OPS
from harness.kernels.spec import load_attribute
from harness.tuning.candidates import candidates, configurations
from harness.tuning.choose import Task, measured
from harness.tuning.table import Choice


@dataclass(frozen=True)
class Tuned:
    """One problem (its ``key``, and a case of it in words) and the fastest configuration of each kernel that takes it."""

    key: str
    case: str
    choices: Mapping[str, Choice]

    @property
    def fastest(self) -> str | None:
        """The kernel that ``auto`` takes; None where none works."""
        times = {name: each.time_s for name, each in self.choices.items() if each.time_s is not None}
        return min(times, key=lambda name: times[name]) if times else None


def tune(
    cases: Iterable[Case], device: Device, *, offline: bool, anew: bool, say: Callable[[str], None]
) -> Iterator[Tuned]:
    """Every problem of ``cases`` once, where there is something to choose: kernels, or configurations of one. ``anew``:
    whatever is known. What is measured is kept as it comes."""
    tensors, seen = tensors_on(device, offline=offline), set()
    for case in cases:
        request = case.request
        specs = candidates(case.op, request, device)
        if len(specs) < 2 and all(len(configurations(spec)) < 2 for spec in specs):
            continue
        family = load_attribute(OPS[case.op].family)
        key = Task(case.op, request, None, family).key
        if key in seen:
            continue
        seen.add(key)
        say(case.name)
        task = Task(case.op, request, family.problem(case, tensors), family)
        yield Tuned(key, case.name, {spec.name: measured(spec, task, device, anew=anew) for spec in specs})

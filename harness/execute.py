"""One case, start to finish: operands, kernel, conformance, accuracy, time. Runs in the worker process."""

from __future__ import annotations

import datetime
import functools
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from harness.backends import BACKENDS
from harness.case import Case
from harness.device import Device
from harness.identical import identical
from harness.kernels import kernel as kernel_row
from harness.kernels.digest import source_digest
from harness.kernels.family import Guarded, Work
from harness.kernels.ops import OPS
from harness.kernels.spec import KernelSpec, load_attribute
from harness.kernels.tensors import Tensors
from harness.peaks import Bound, Peaks, bound
from harness.record import Outcome, Status
from harness.timing import Timing
from harness.timing.summary import median_of
from harness.tuning.choose import Task, make


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case's kernel, made on its device, with what it is judged by. ``spec`` is the row that the kernel is of: where the
    case's own chooses, the chosen one's. ``configuration``: what was chosen, in words."""

    spec: KernelSpec
    family: Any
    problem: Any
    kernel: Any
    configuration: str | None = None


def tensors_on(device: Device, *, offline: bool = False) -> Tensors:
    """The operands of a process's cases on ``device``; products for references are made there where it can."""
    backend = BACKENDS[device.backend]
    product, evaluate = (
        functools.partial(load_attribute(entry), device) if entry else None
        for entry in (backend.product, backend.evaluate)
    )
    return Tensors(offline=offline, product=product, evaluate=evaluate)


def prepare(case: Case, device: Device, tensors: Tensors) -> Prepared:
    """Load, calibrate and quantize the operands, and make the kernel. Whatever goes wrong comes as an exception."""
    family: Any = load_attribute(OPS[case.op].family)
    problem = family.problem(case, tensors)
    made = make(kernel_row(case.op, case.kernel), Task(case.op, case.request, problem, family), device)
    return Prepared(made.spec, family, problem, made.kernel, made.configuration)


def execute(case: Case, device: Device, tensors: Tensors, *, energy: bool = False) -> Outcome:
    """Run one planned case on ``device``. Whatever goes wrong comes as an exception."""
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    begin = time.perf_counter()
    with _range(case, case.name):
        outcome = _run(case, device, tensors, begin, energy)
    return replace(outcome, started_at=started_at, case_s=time.perf_counter() - begin)


def _run(case: Case, device: Device, tensors: Tensors, begin: float, energy: bool) -> Outcome:
    with _range(case, "prepare"):
        made = prepare(case, device, tensors)
    prepare_s = time.perf_counter() - begin
    with _range(case, "conformance"):
        made.kernel.launch()
        output = made.kernel.output()
        verdict = made.family.judge(made.problem, output)
        metrics = {
            **made.family.accuracy(made.problem, output),
            "code_mismatches": verdict.mismatches,
            "bound_used": verdict.bound_used,
        }
        work = made.family.work(made.problem, output)
    outcome = Outcome(
        Status.OK,
        _remark(metrics),
        metrics=metrics,
        work=work,
        prepare_s=prepare_s,
        kernel_digest=source_digest(made.spec),
        configuration=made.configuration,
    )
    if not verdict.conforms:
        return replace(outcome, status=Status.INACCURATE, reason=verdict.reason)

    if isinstance(made.kernel, Guarded):
        made.kernel.keep()
        made.kernel.poison()
    timing_began = time.perf_counter()
    with _range(case, "time"):
        timer: Any = load_attribute(BACKENDS[case.backend].timer)
        timing: Timing = timer(made.kernel, case.measure, max_samples=made.spec.max_samples)
    outcome = replace(outcome, measure_s=time.perf_counter() - timing_began)
    if (reason := _wrong_after_timing(made, output)) is not None:
        return replace(outcome, status=Status.INACCURATE, reason=f"after timing: {reason}")
    if (reason := _impossible(case, device, made.spec, work, timing)) is not None:
        return replace(outcome, status=Status.RUNTIME_ERROR, reason=reason)
    return replace(
        outcome,
        timing=timing,
        bound=_bound(case, device, made.spec, work, timing),
        energy_j=_energy(case, made.kernel, timing) if energy else None,
    )


def _range(case: Case, name: str) -> AbstractContextManager[None]:
    """A name on the profiler's timeline, where the backend has such."""
    mark = BACKENDS[case.backend].mark
    made: AbstractContextManager[None] = load_attribute(mark)(name) if mark else nullcontext()
    return made


def _wrong_after_timing(made: Prepared, checked: Any) -> str | None:
    """What is wrong with the output that the last timed launch made; with that of a launch into outputs that hold
    poison (a kernel that remembers its results makes none); or with the operands."""
    reason = _judge_again(made, checked)
    if reason is None and isinstance(made.kernel, Guarded):
        made.kernel.poison()
        made.kernel.launch()
        reason = _judge_again(made, checked)
        if reason is None and (name := made.kernel.altered_operand()) is not None:
            reason = f"operand {name} is no longer what it was: the kernel writes into what it reads"
    return reason


def _judge_again(made: Prepared, checked: Any) -> str | None:
    if isinstance(made.kernel, Guarded) and made.kernel.unchanged():
        return None
    output = made.kernel.output()
    if identical(output, checked):
        return None
    reason: str | None = made.family.judge(made.problem, output).reason
    return reason


def _impossible(case: Case, device: Device, spec: KernelSpec, work: Work, timing: Timing) -> str | None:
    """Says so where a time is below what physics allows: then it is the measurement that is wrong."""
    find = BACKENDS[case.backend].floor
    if not find:
        return None
    read = work.read_bytes if case.measure.l2 == "cold" else None
    floor_s: float | None = load_attribute(find)(device, read, work.flops, spec.arithmetic)
    if floor_s is None or timing.time_s >= floor_s:
        return None
    return (
        f"time: must be at least {floor_s:.3g} s, what {device.model} needs by its data sheet (got {timing.time_s:.3g} s); "
        "the kernel does not do the work, or its work is counted wrongly"
    )


def _bound(case: Case, device: Device, spec: KernelSpec, work: Work, timing: Timing) -> Bound | None:
    """Which measured peak bounds the kernel, and how near it comes."""
    measure = BACKENDS[case.backend].peaks
    if not measure or spec.role == "reference":
        return None
    peaks: Peaks | None = load_attribute(measure)(device)
    if peaks is None:
        return None
    clock = median_of(timing.states, "sm_clock_hz")
    moved = work.moved_bytes if case.measure.l2 == "cold" else 0  # what is in the cache moves faster than a copy
    return bound(timing.time_s, moved, work.flops, spec.arithmetic, peaks, clock)


def _energy(case: Case, kernel: Any, timing: Timing) -> float | None:
    measure = BACKENDS[case.backend].energy
    if not measure:
        return None
    found: float | None = load_attribute(measure)(kernel, timing.time_s, cold=case.measure.l2 == "cold")
    return found


def _remark(metrics: dict[str, Any]) -> str | None:
    """NaN and Inf among the operands are said aloud."""
    nan, inf = metrics.get("nan_count") or 0, metrics.get("inf_count") or 0
    return f"{nan} NaN and {inf} Inf in the data, left out of the error" if nan or inf else None

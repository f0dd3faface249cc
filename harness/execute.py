"""One case, start to finish: operands, kernel, conformance, accuracy, time. Runs in the worker process."""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.util
import time
from pathlib import Path
from typing import Any

from harness.backends import BACKENDS
from harness.backends.cuda.source import digest
from harness.case import Case
from harness.device import Device
from harness.kernels import kernel as kernel_row
from harness.kernels.ops import OPS
from harness.kernels.spec import KernelSpec, load_attribute
from harness.kernels.specialisation import SOURCE_ROOT
from harness.kernels.tensors import Tensors
from harness.record import Outcome, Status


def execute(case: Case, device: Device, tensors: Tensors) -> Outcome:
    """Run one planned case on ``device``. Whatever goes wrong comes as an exception."""
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    begin = time.perf_counter()
    spec = kernel_row(case.op, case.kernel)
    family: Any = load_attribute(OPS[case.op].family)
    problem = family.problem(case, tensors)
    kernel: Any = spec.load()(problem, device)
    prepare_s = time.perf_counter() - begin

    kernel.launch()
    output = kernel.output()
    verdict = family.judge(problem, output)
    metrics = {
        **family.accuracy(problem, output),
        "code_mismatches": verdict.mismatches,
        "bound_used": verdict.bound_used,
    }
    common: dict[str, Any] = {
        "metrics": metrics,
        "work": family.work(problem, output),
        "prepare_s": prepare_s,
        "kernel_digest": source_digest(spec),
        "started_at": started_at,
    }
    if not verdict.conforms:
        return Outcome(Status.INACCURATE, verdict.reason, **common)

    timer: Any = load_attribute(BACKENDS[case.backend].timer)
    timing = timer(kernel, case.measure, max_samples=spec.max_samples)
    after = family.judge(problem, kernel.output())
    if not after.conforms:
        return Outcome(Status.INACCURATE, f"after timing: {after.reason}", **common)
    return Outcome(Status.OK, _remark(metrics), timing=timing, peak_bytes_per_s=_memory_peak(case, device), **common)


def _memory_peak(case: Case, device: Device) -> float | None:
    """Of ops whose floor is bytes, where the backend can measure it."""
    measure = BACKENDS[case.backend].copy_bandwidth
    return load_attribute(measure)(device) if measure and OPS[case.op].one_tensor else None


def _remark(metrics: dict[str, Any]) -> str | None:
    """NaN and Inf among the operands are said aloud."""
    nan, inf = metrics.get("nan_count") or 0, metrics.get("inf_count") or 0
    return f"{nan} NaN and {inf} Inf in the data, left out of the error" if nan or inf else None


@functools.cache
def source_digest(spec: KernelSpec) -> str | None:
    """Digest of what the kernel computes with: its CUDA source with includes, comments stripped; else the Python file
    that holds its class."""
    if spec.cuda is not None:
        return digest(SOURCE_ROOT / spec.cuda.file)
    found = importlib.util.find_spec(spec.entry.partition(":")[0])
    if found is None or found.origin is None:
        return None
    return hashlib.blake2b(Path(found.origin).read_bytes(), digest_size=10).hexdigest()

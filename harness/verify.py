"""Evidence: every CUDA kernel's conformance cases run on the device that is here, and what came of them.

CI has no GPU, so evidence travels: a row says that the source of this digest, compiled for this architecture, passed so many
cases on this device. A test holds every kernel's current digest against these rows.
"""

from __future__ import annotations

import datetime
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from harness.backends import find_device
from harness.case import Case
from harness.columns import Row
from harness.device import Device
from harness.environment import environment_of
from harness.errors import DeviceError, HarnessError, did_you_mean
from harness.kernels import KERNELS
from harness.kernels.digest import source_digest
from harness.kernels.ops import OPS
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import SOURCE_ROOT
from harness.options import RunOptions
from harness.plan import plan
from harness.record import Outcome, Status
from harness.runner import Watcher, run_suite
from harness.store.files import explained, read_table
from harness.store.writer import write_parquet
from harness.suite import load_suite

_KEY = ["op", "kernel", "architecture"]


@dataclass(frozen=True)
class Evidence:
    """What came of one kernel's conformance cases. ``worst_mismatches`` counts wrong codes of the worst case,
    ``worst_bound_used`` is its largest error over the bound; ``reason`` is the first failure's."""

    op: str
    kernel: str
    role: str
    architecture: str
    digest: str
    cases: int
    failed: int
    worst_mismatches: int | None
    worst_bound_used: float | None
    reason: str | None
    date: str
    device: str
    cuda_driver: str | None
    nvrtc_version: str | None

    @property
    def as_expected(self) -> bool:
        """A kernel passes all its cases; one that shows a pitfall fails some."""
        return self.cases > 0 and (self.failed > 0) == (self.role == "pitfall")


def cuda_kernels(names: Sequence[str] = ()) -> tuple[KernelSpec, ...]:
    """Kernels of the CUDA backend, all or those named (``dp4a`` or ``quantize/affine``); not those of other packages, which
    change without this one."""
    rows = [row for row in KERNELS if row.backend == "cuda" and not row.requires]
    known = {name: row for row in rows for name in (f"{row.op}/{row.name}", row.name)}
    for name in names:
        if name not in known:
            raise HarnessError(f"--kernel: must be a CUDA kernel (got {name!r}); {did_you_mean(name, known)}")
    return tuple(row for row in rows if not names or {row.name, f"{row.op}/{row.name}"} & set(names))


def conformance_suite(op: str) -> Path:
    """The suite of an op's conformance cases, in the folder of its family; by its name where the family has several ops."""
    folder = SOURCE_ROOT / OPS[op].family.partition(":")[0].split(".")[-2]
    return folder / ("conformance.yaml" if folder.name == op else f"{op}.conformance.yaml")


def verify(
    device_name: str, names: Sequence[str] = (), watcher: Watcher | None = None, jobs: int = 1
) -> tuple[Evidence, ...]:
    """Run the conformance cases of the CUDA kernels, or of those named, on a device of this machine; of up to ``jobs``
    kernels at once, each in a worker process of its own.

    Kernels written for other architectures are left out. Raises DeviceError where there is no CUDA device or it cannot run one
    that was named, HarnessError for fewer jobs than one, KeyboardInterrupt where a run was interrupted.
    """
    if jobs < 1:
        raise HarnessError(f"--jobs: must be at least 1 (got {jobs}); leave it out for one kernel after the other")
    device = find_device("cuda" if device_name == "auto" else device_name)
    if device.backend != "cuda":
        raise DeviceError(f"verify: needs a CUDA device (got {device.name}); see `harness doctor`")
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        return _in_jobs(_able(cuda_kernels(names), device, names), device, Path(folder), watcher or Watcher(), jobs)


def _able(specs: tuple[KernelSpec, ...], device: Device, names: Sequence[str]) -> tuple[KernelSpec, ...]:
    """Those that the device's architecture has the instructions for. Raises DeviceError for one that was named and is not."""
    unable = {
        spec: reason
        for spec in specs
        if spec.cuda and (reason := spec.cuda.problem_on(device.architecture)) is not None
    }
    if names and unable:
        spec, reason = next(iter(unable.items()))
        raise DeviceError(f"--kernel: the device must be able to run {spec.op}/{spec.name} (it {reason}); leave it out")
    return tuple(spec for spec in specs if spec not in unable)


def _in_jobs(
    specs: Sequence[KernelSpec], device: Device, folder: Path, watcher: Watcher, jobs: int
) -> tuple[Evidence, ...]:
    """Those of an op in one run, which makes operands once, where one job is asked for; else each kernel in its own."""
    if jobs == 1:
        ops = dict.fromkeys(spec.op for spec in specs)
        groups = [[spec for spec in specs if spec.op == op] for op in ops]
        return tuple(each for group in groups for each in _evidence(group, device, folder, watcher))
    cases = {spec: conformance_cases(spec, device) for spec in specs}
    longest_first = sorted(specs, key=lambda spec: -cases[spec])  # the last to end is then a short one
    together = Together(watcher)
    watcher.begin(device, sum(cases.values()), 0)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            running = {
                spec: pool.submit(_evidence, [spec], device, folder / spec.op / spec.name, together)
                for spec in longest_first
            }
            return tuple(each for spec in specs for each in running[spec].result())
        except BaseException:
            together.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            watcher.end()


def _evidence(specs: Sequence[KernelSpec], device: Device, folder: Path, watcher: Watcher) -> list[Evidence]:
    """Of kernels of one op, in one run."""
    options = RunOptions(device.name, tuple(f"kernel={spec.name}" for spec in specs), out=folder)
    made = run_suite(conformance_suite(specs[0].op), options, watcher)
    if not made.complete:
        raise KeyboardInterrupt  # a part of the cases is no evidence
    return [evidence_of(spec, made.rows, device) for spec in specs]


def conformance_cases(spec: KernelSpec, device: Device) -> int:
    """How many cases of its op's conformance suite are the kernel's, planned for ``device``."""
    return sum(case.kernel == spec.name for case in plan(load_suite(conformance_suite(spec.op)), device))


class Together(Watcher):
    """Cases of runs that go on at once, told one at a time to the ``watcher`` of all, which has begun and is ended elsewhere.
    ``stop`` ends every run as Ctrl-C would, at its next case."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def say(self, message: str) -> None:
        with self._lock:
            self._watcher.say(message)

    def start(self, case: Case) -> None:
        if self._stopped.is_set():
            raise KeyboardInterrupt
        with self._lock:
            self._watcher.start(case)

    def finish(self, case: Case, outcome: Outcome) -> None:
        with self._lock:
            self._watcher.finish(case, outcome)


def evidence_of(spec: KernelSpec, rows: Iterable[Row], device: Device) -> Evidence:
    """One kernel's rows of a run, summed up. Cases that are skipped prove nothing and are left out."""
    own = [row for row in rows if row["kernel"] == spec.name and row["status"] != Status.SKIPPED]
    failures = [row for row in own if row["status"] != Status.OK]
    environment = environment_of(device)
    return Evidence(
        spec.op,
        spec.name,
        spec.role,
        device.architecture,
        str(source_digest(spec)),
        len(own),
        len(failures),
        max((row["code_mismatches"] for row in own if row["code_mismatches"] is not None), default=None),
        max((row["bound_used"] for row in own if row["bound_used"] is not None), default=None),
        f"{failures[0]['case']}: {failures[0]['reason']}" if failures else None,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        device.model,
        environment["cuda_driver"],
        environment["nvrtc_version"],
    )


def read_evidence(path: Path) -> pd.DataFrame:
    """The rows of an evidence file, none where there is no such file."""
    if not path.exists():
        return pd.DataFrame(columns=list(Evidence.__dataclass_fields__))
    table: pd.DataFrame = read_table(path).to_pandas()
    return table


def update_evidence(path: Path, found: Iterable[Evidence]) -> pd.DataFrame:
    """Replace the rows of the same kernels and architectures; the others stay. Returns what the file holds then."""
    kept, new = read_evidence(path), pd.DataFrame([asdict(each) for each in found])
    merged = new if kept.empty else pd.concat([kept, new]).drop_duplicates(_KEY, keep="last")
    merged = merged.sort_values(_KEY).reset_index(drop=True)
    with explained(path.parent, "create the folder of the evidence"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(path, pa.Table.from_pandas(merged, preserve_index=False), {})
    return merged

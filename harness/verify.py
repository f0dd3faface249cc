"""Evidence: every CUDA kernel's conformance cases run on the device that is here, and what came of them.

CI has no GPU, so evidence travels: a row says that the source of this digest, compiled for this architecture, passed so many
cases on this device. A test holds every kernel's current digest against these rows.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from harness.backends import find_device
from harness.columns import Row
from harness.device import Device
from harness.environment import environment_of
from harness.errors import DeviceError, HarnessError, did_you_mean
from harness.execute import source_digest
from harness.kernels import KERNELS
from harness.kernels.ops import OPS
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import SOURCE_ROOT
from harness.options import RunOptions
from harness.record import Status
from harness.runner import Watcher, run_suite
from harness.store.files import explained, read_table
from harness.store.writer import write_parquet

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


def verify(device_name: str, names: Sequence[str] = (), watcher: Watcher | None = None) -> tuple[Evidence, ...]:
    """Run the conformance cases of the CUDA kernels, or of those named, on a device of this machine.

    Raises DeviceError where there is no CUDA device, KeyboardInterrupt where a run was interrupted.
    """
    device = find_device("cuda" if device_name == "auto" else device_name)
    if device.backend != "cuda":
        raise DeviceError(f"verify: needs a CUDA device (got {device.name}); see `harness doctor`")
    specs = cuda_kernels(names)
    found: list[Evidence] = []
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder:
        for op in dict.fromkeys(spec.op for spec in specs):
            chosen = {spec.name: spec for spec in specs if spec.op == op}
            options = RunOptions(device.name, tuple(f"kernel={name}" for name in chosen), out=Path(folder))
            made = run_suite(conformance_suite(op), options, watcher)
            if not made.complete:
                raise KeyboardInterrupt  # a part of the cases is no evidence
            found += [evidence_of(spec, made.rows, device) for spec in chosen.values()]
    return tuple(found)


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

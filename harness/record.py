"""One row a case: status, what was measured, and the Arrow schema that other tools rely on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

from harness.case import Case
from harness.columns import FLAG, REAL, TEXT, WHOLE, Column, Row
from harness.environment import ENVIRONMENT
from harness.kernels.family import Work
from harness.kernels.ops import OPS, column_prefix
from harness.numerics.epilogue import NOTHING
from harness.numerics.error_histogram import BINS, WIDTH
from harness.numerics.error_histogram import COLUMN as HISTOGRAM
from harness.numerics.metrics import METRICS
from harness.peaks import Bound
from harness.speed import SPEED, STATE, speed_values
from harness.suite.model import AXES
from harness.timing import Timing


class Status(StrEnum):
    """How a case ended."""

    OK = "ok"
    SKIPPED = "skipped"
    INACCURATE = "inaccurate"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"


STATUS_DOC: dict[Status, str] = {
    Status.OK: "conforms, measured and timed",
    Status.SKIPPED: "cannot be run here; the reason says why",
    Status.INACCURATE: "does not compute what its definition says; no speed is recorded",
    Status.COMPILE_ERROR: "the kernel does not compile",
    Status.RUNTIME_ERROR: "the kernel or its preparation failed",
    Status.TIMEOUT: "ran past --case-timeout and was ended",
    Status.OUT_OF_MEMORY: "needed more memory than there is",
    Status.CRASHED: "took its worker process down",
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one case. Without ``timing`` there is no speed; ``metrics`` may be empty."""

    status: Status
    reason: str | None = None
    metrics: Mapping[str, float | int | str | None] = field(default_factory=dict)
    work: Work | None = None
    timing: Timing | None = None
    bound: Bound | None = None
    energy_j: float | None = None
    prepare_s: float | None = None
    measure_s: float | None = None
    case_s: float | None = None
    kernel_digest: str | None = None
    configuration: str | None = None
    started_at: str | None = None


_AXIS_TYPES = {"symmetric": FLAG, "narrow_range": FLAG}
_ROLES = tuple(dict.fromkeys(role for op in OPS.values() for role in op.roles))

_IDENTITY = (
    Column("run_id", TEXT, "the run"),
    Column("suite", TEXT, "the suite's name"),
    Column("case_id", TEXT, "digest of what identifies the case; nights join on it"),
    Column("case", TEXT, "the case in words"),
    Column("op", TEXT, "operation"),
    Column("kernel", TEXT, "kernel"),
    Column("kernel_role", TEXT, "kernel, baseline, peer, reference or pitfall"),
    Column("backend", TEXT, "what ran it"),
    Column("device", TEXT, "the device's name"),
    Column("status", TEXT, "how the case ended"),
    Column("reason", TEXT, "why it did not end ok, or a remark"),
    Column("scheme", TEXT, "preset, or the operands' schemes in words"),
    Column("shape_name", TEXT, "the shape's name in the suite"),
    Column("data", TEXT, "distribution or tensor of each operand"),
    *(Column(name, WHOLE, f"extent {name} of a product") for name in ("m", "n", "k")),
    Column("rows", WHOLE, "product of the leading extents of a tensor"),
    Column("cols", WHOLE, "last extent of a tensor"),
    Column("dtype", TEXT, "type that a tensor is stored in; of a product, its operands' values and its output"),
    Column("seed", WHOLE, "the suite's seed"),
    Column("l2", TEXT, "cold or hot caches"),
    Column("mode", TEXT, "burst or steady"),
    Column("baseline_case_id", TEXT, "the case that speedup is measured against"),
)
_SCHEMES = tuple(
    Column(column_prefix(role) + axis, _AXIS_TYPES.get(axis, TEXT), f"{axis} of the {role}")
    for role in _ROLES
    for axis in AXES
)
_EPILOGUE = (
    Column(
        "epilogue_bias", FLAG, "whether a bias is added to a product; these three are null where nothing follows it"
    ),
    Column("epilogue_function", TEXT, "activation function of a product's output"),
    Column("output_format", TEXT, "format that a product's output is requantized to; none: it keeps its type"),
)
_ACCURACY = (
    *(Column(row.name, REAL, f"{row.label} ({row.unit})") for row in METRICS.values()),
    Column("weight_sqnr_db", REAL, "SQNR of the weight itself (dB)"),
    Column("activation_sqnr_db", REAL, "SQNR of the activation itself (dB)"),
    Column("nan_count", WHOLE, "NaN among the operands"),
    Column("inf_count", WHOLE, "Inf among the operands"),
    Column("code_mismatches", WHOLE, "codes that differ from the oracle's"),
    Column("bound_used", REAL, "largest error against the oracle over its bound; at most 1 conforms"),
    Column("bits_per_element", REAL, "stored bits an element of the weight or tensor, scales and zero points included"),
    Column("reference_rows", WHOLE, "rows of the output that were checked and measured"),
    Column("signal_power", REAL, "mean square of the tensor's finite values (squared units)"),
    Column("max_error_index", WHOLE, "flat index of the largest absolute error, the first of equal ones"),
    Column("worst_block", WHOLE, "scale block of the largest mean squared error, in the order of the scales"),
    Column("worst_block_mse", REAL, "mean squared error of that block (squared units)"),
    Column("code_entropy_bits", REAL, "Shannon entropy of the codes (bits an element)"),
    Column("codes_used", WHOLE, "codes that occur"),
    Column(
        HISTOGRAM,
        TEXT,
        f"counts of errors in {BINS} bins of {WIDTH:g} root mean squares, the middle one around 0, the ends open",
    ),
)
_ENVIRONMENT = (
    Column("started_at", TEXT, "UTC, ISO 8601"),
    Column("kernel_digest", TEXT, "digest of the kernel's source"),
    Column("configuration", TEXT, "what was chosen: by auto the kernel, and constants that are tuned for the problem"),
    *(Column(row.name, TEXT, row.doc) for row in ENVIRONMENT),
)

COLUMNS: dict[str, Column] = {
    column.name: column for column in (*_IDENTITY, *_SCHEMES, *_EPILOGUE, *_ACCURACY, *SPEED, *STATE, *_ENVIRONMENT)
}
ARROW_SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS.values()])


@dataclass(frozen=True, eq=False)
class Record:
    """A case and its outcome within a run."""

    run_id: str
    device: str
    kernel_role: str
    case: Case
    outcome: Outcome
    environment: Mapping[str, str | None]

    def row(self) -> Row:
        """The record as a row of COLUMNS."""
        values: Row = {**_case_values(self.case), **_outcome_values(self.outcome), **self.environment}
        values.update(run_id=self.run_id, device=self.device, kernel_role=self.kernel_role)
        unknown = values.keys() - COLUMNS.keys()
        if unknown:
            raise KeyError(f"no such columns: {sorted(unknown)}")
        return {name: _plain(values.get(name)) for name in COLUMNS}


def _case_values(case: Case) -> Row:
    op = OPS[case.op]
    values: Row = {
        "suite": case.suite,
        "case_id": case.case_id,
        "case": case.name,
        "op": case.op,
        "kernel": case.kernel,
        "backend": case.backend,
        "scheme": case.scheme,
        "shape_name": case.shape.name,
        "data": " ".join(
            source.label if op.one_tensor else f"{role}={source.label}" for role, source in case.shape.sources
        ),
        "seed": case.seed,
        "l2": case.measure.l2,
        "mode": case.measure.mode,
        "baseline_case_id": case.baseline,
    }
    if op.one_tensor:
        *leading, cols = case.shape.extents
        values |= {"rows": math.prod(leading), "cols": cols, "dtype": case.shape.dtype}
    else:
        values |= dict(zip(("m", "n", "k"), case.shape.extents, strict=True)) | {"dtype": case.shape.dtype}
    if (following := case.epilogue) != NOTHING:
        values |= {"epilogue_bias": following.bias, "epilogue_function": following.function}
        values["output_format"] = following.output
    for operand in case.operands:
        if operand.scheme is not None:
            prefix = column_prefix(operand.role)
            values |= {prefix + axis: getattr(operand.scheme, axis) for axis in AXES}
    return values


def _outcome_values(outcome: Outcome) -> Row:
    values: Row = {
        "status": str(outcome.status),
        "reason": outcome.reason,
        "prepare_s": outcome.prepare_s,
        "measure_s": outcome.measure_s,
        "case_s": outcome.case_s,
        "energy_j": outcome.energy_j,
        "kernel_digest": outcome.kernel_digest,
        "configuration": outcome.configuration,
        "started_at": outcome.started_at,
        **outcome.metrics,
    }
    if outcome.work is not None:
        values |= {"moved_bytes": outcome.work.moved_bytes, "flops": outcome.work.flops or None}
    if outcome.timing is not None:
        values |= speed_values(outcome.timing, outcome.work, outcome.bound)
    return values


def _plain(value: Any) -> Any:
    """NumPy scalars as Python ones, NaN as None: a figure that is not a number does not apply."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value

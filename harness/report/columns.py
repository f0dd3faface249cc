"""What a column of the records means to a reader: its label, its unit, and whether the table shows it at first.

One row of ``COLUMNS`` per documented column of the results. A column that is not listed is taken for a fact about the
environment (GPU, driver, library versions, …).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a value is displayed. The browser's script knows the same names."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DECIBEL = "decibel"
    SECONDS = "seconds"
    BYTES = "bytes"
    FLOPS = "flops"
    BYTES_PER_SECOND = "bytes_per_s"
    FLOPS_PER_SECOND = "flops_per_s"
    HERTZ = "hertz"
    WATTS = "watts"
    JOULES = "joules"
    FRACTION = "fraction"
    RATIO = "ratio"
    BITS = "bits"


@dataclass(frozen=True)
class Column:
    """One column: ``name`` in the results, ``label`` for readers, and whether the table shows it at first."""

    name: str
    label: str
    kind: Kind
    shown: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind is not Kind.TEXT


_SCHEME_AXES = (
    ("format", "format"),
    ("granularity", "granularity"),
    ("symmetric", "symmetric"),
    ("calibration", "calibration"),
    ("scale_format", "scale format"),
    ("narrow_range", "narrow range"),
    ("range", "range"),
)
_OPERANDS = (("weight_", "weight "), ("activation_", "activation "), ("", "tensor "))

COLUMNS: tuple[Column, ...] = (
    Column("case", "Case", Kind.TEXT, shown=True),
    Column("status", "Status", Kind.TEXT, shown=True),
    Column("op", "Operation", Kind.TEXT, shown=True),
    Column("kernel", "Kernel", Kind.TEXT, shown=True),
    Column("kernel_role", "Kernel's role", Kind.TEXT),
    Column("scheme", "Scheme as named", Kind.TEXT),
    Column("sqnr_db", "SQNR", Kind.DECIBEL, shown=True),
    Column("time_s", "Time", Kind.SECONDS, shown=True),
    Column("speedup", "Speed-up", Kind.RATIO, shown=True),
    Column("bits_per_element", "Bits per element", Kind.BITS, shown=True),
    Column("bytes_per_s", "Bytes per second", Kind.BYTES_PER_SECOND),
    Column("flops_per_s", "Operations per second", Kind.FLOPS_PER_SECOND),
    Column("fraction_of_peak", "Share of peak", Kind.FRACTION),
    Column("reason", "Reason", Kind.TEXT, shown=True),
    Column("suite", "Suite", Kind.TEXT),
    Column("run_id", "Run", Kind.TEXT),
    Column("case_id", "Case id", Kind.TEXT),
    Column("backend", "Backend", Kind.TEXT),
    Column("device", "Device's name", Kind.TEXT),
    Column("shape_name", "Shape name", Kind.TEXT),
    Column("data", "Data", Kind.TEXT),
    Column("m", "m", Kind.INTEGER),
    Column("n", "n", Kind.INTEGER),
    Column("k", "k", Kind.INTEGER),
    Column("rows", "Rows", Kind.INTEGER),
    Column("cols", "Columns", Kind.INTEGER),
    Column("dtype", "Type of the tensor", Kind.TEXT),
    Column("epilogue_bias", "Bias added", Kind.TEXT),
    Column("epilogue_function", "Activation function of the output", Kind.TEXT),
    Column("output_format", "Format of the output", Kind.TEXT),
    Column("seed", "Seed", Kind.INTEGER),
    Column("l2", "L2 cache", Kind.TEXT),
    Column("mode", "Timing mode", Kind.TEXT),
    *(
        Column(prefix + axis, (operand + label).capitalize(), Kind.TEXT)
        for prefix, operand in _OPERANDS
        for axis, label in _SCHEME_AXES
    ),
    Column("mse", "MSE", Kind.NUMBER),
    Column("max_abs_error", "Largest absolute error", Kind.NUMBER),
    Column("mean_relative_error", "Mean relative error", Kind.NUMBER),
    Column("cosine", "Cosine similarity", Kind.NUMBER),
    Column("weight_sqnr_db", "Weight SQNR", Kind.DECIBEL),
    Column("activation_sqnr_db", "Activation SQNR", Kind.DECIBEL),
    Column("worst_block_sqnr_db", "Worst block's SQNR", Kind.DECIBEL),
    Column("rounding_mse", "Rounding MSE", Kind.NUMBER),
    Column("clipping_mse", "Clipping MSE", Kind.NUMBER),
    Column("saturated_fraction", "Saturated values", Kind.FRACTION),
    Column("nan_count", "NaN values", Kind.INTEGER),
    Column("inf_count", "Infinite values", Kind.INTEGER),
    Column("code_mismatches", "Code mismatches", Kind.INTEGER),
    Column("bound_used", "Share of the allowed error", Kind.FRACTION),
    Column("signal_power", "Signal power", Kind.NUMBER),
    Column("max_error_index", "Element of the largest error", Kind.INTEGER),
    Column("worst_block", "Worst block", Kind.INTEGER),
    Column("worst_block_mse", "Worst block's MSE", Kind.NUMBER),
    Column("code_entropy_bits", "Entropy of the codes", Kind.BITS),
    Column("codes_used", "Codes that occur", Kind.INTEGER),
    Column("prepare_s", "Preparation time", Kind.SECONDS),
    Column("time_p05_s", "Time, 5th percentile", Kind.SECONDS),
    Column("time_p95_s", "Time, 95th percentile", Kind.SECONDS),
    Column("time_low_s", "Median time, lower end of its interval", Kind.SECONDS),
    Column("time_high_s", "Median time, upper end of its interval", Kind.SECONDS),
    Column("samples", "Timing samples", Kind.INTEGER),
    Column("rounds", "Timing rounds", Kind.INTEGER),
    Column("launches_per_sample", "Launches per sample", Kind.INTEGER),
    Column("stop_reason", "What ended sampling", Kind.TEXT),
    Column("settled", "Settled before sampling", Kind.TEXT),
    Column("noise", "Timing noise", Kind.FRACTION),
    Column("bound", "Bound by", Kind.TEXT),
    Column("fraction_of_peak_held", "Share of peak at the held clock", Kind.FRACTION),
    Column("energy_j", "Energy per launch", Kind.JOULES),
    Column("sm_clock_hz", "Multiprocessor clock", Kind.HERTZ),
    Column("sm_clock_min_hz", "Lowest multiprocessor clock", Kind.HERTZ),
    Column("memory_clock_hz", "Memory clock", Kind.HERTZ),
    Column("power_w", "Power", Kind.WATTS),
    Column("temperature_c", "Temperature (°C)", Kind.NUMBER),
    Column("throttled_fraction", "Throttled rounds", Kind.FRACTION),
    Column("throttle_reasons", "Throttled by", Kind.TEXT),
    Column("other_load", "Cores busy with other processes", Kind.FRACTION),
    Column("measure_s", "Time spent timing", Kind.SECONDS),
    Column("case_s", "Time spent on the case", Kind.SECONDS),
    Column("moved_bytes", "Bytes moved", Kind.BYTES),
    Column("flops", "Operations", Kind.FLOPS),
    Column("best_peer", "Best peer", Kind.TEXT),
    Column("speedup_over_best_peer", "Speed-up over best peer", Kind.RATIO),
    Column("reference_rows", "Checked rows", Kind.INTEGER),
    Column("baseline_case_id", "Baseline's case id", Kind.TEXT),
    Column("kernel_digest", "Kernel's digest", Kind.TEXT),
    Column("configuration", "Chosen configuration", Kind.TEXT),
    Column("started_at", "Started at (UTC)", Kind.TEXT),
)

COLUMN_OF: dict[str, Column] = {column.name: column for column in COLUMNS}

STATUSES: tuple[str, ...] = (
    "ok",
    "skipped",
    "inaccurate",
    "compile_error",
    "runtime_error",
    "timeout",
    "out_of_memory",
    "crashed",
)

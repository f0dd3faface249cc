"""What the page of a case shows beside the records: which columns stand together, how its timing samples lie, and its errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.numerics.error_histogram import COLUMN as HISTOGRAM
from harness.report.columns import COLUMNS
from harness.report.overview import environment_columns

QUANTILES = 41
"""Points of a case's cumulative distribution: every 2.5 %."""
ROUNDS = 64
"""Medians of rounds that are shown at most: the first ones."""
_DIGITS = 5
_SHARE_DIGITS = 3

_ACCURACY = (
    "sqnr_db", "mse", "max_abs_error", "max_error_index", "mean_relative_error", "cosine", "weight_sqnr_db",
    "activation_sqnr_db", "worst_block_sqnr_db", "worst_block", "worst_block_mse", "rounding_mse", "clipping_mse",
    "saturated_fraction", "signal_power", "code_entropy_bits", "codes_used", "nan_count", "inf_count", "code_mismatches",
    "bound_used", "reference_rows", "bits_per_element",
)  # fmt: skip
_SPEED = (
    "time_s", "time_low_s", "time_high_s", "time_p05_s", "time_p95_s", "noise", "samples", "rounds", "launches_per_sample",
    "stop_reason", "speedup", "best_peer", "speedup_over_best_peer", "bound", "fraction_of_peak", "fraction_of_peak_held",
    "bytes_per_s", "flops_per_s", "moved_bytes", "flops", "energy_j", "prepare_s", "measure_s", "case_s",
)  # fmt: skip
_MACHINE = (
    "sm_clock_hz", "sm_clock_min_hz", "memory_clock_hz", "power_w", "temperature_c", "throttled_fraction",
    "throttle_reasons", "other_load", "settled",
)  # fmt: skip

Distributions = dict[str, dict[str, list[list[float]]]]
Histograms = dict[str, dict[str, list[float]]]


def groups(records: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Titles with the columns below them, every column of tidy ``records`` once; what is no figure is what the case is."""
    figures = {*_ACCURACY, *_SPEED, *_MACHINE}
    case = [column.name for column in COLUMNS if column.name not in figures]
    return [
        ("Accuracy", list(_ACCURACY)),
        ("Speed", list(_SPEED)),
        ("Machine while it was timed", list(_MACHINE)),
        ("Case", case),
        ("Environment", environment_columns(records)),
    ]


def distributions(samples: pd.DataFrame | None) -> Distributions:
    """Case id → run id → the samples' quantiles, evenly from the least to the largest, and the medians of the rounds
    (seconds)."""
    found: Distributions = {}
    if samples is None:
        return found
    for (case_id, run_id), own in samples.groupby(["case_id", "run_id"], sort=True):
        quantiles = np.quantile(own["time_s"].to_numpy(dtype=float), np.linspace(0, 1, QUANTILES))
        rounds = own.groupby("round", sort=True)["time_s"].median().to_numpy(dtype=float)[:ROUNDS]
        found.setdefault(str(case_id), {})[str(run_id)] = [_rounded(quantiles), _rounded(rounds)]
    return found


def histograms(records: pd.DataFrame) -> Histograms:
    """Case id → run id → the first bin that is not empty, how many errors were counted, and the bins from there on, in errors
    of ten thousand."""
    found: Histograms = {}
    if HISTOGRAM not in records:
        return found
    known = records[records[HISTOGRAM].notna()]
    for case_id, run_id, text in zip(known["case_id"], known["run_id"], known[HISTOGRAM], strict=True):
        counts = np.array([int(word) for word in str(text).split() if word.isdecimal()])
        filled = np.flatnonzero(counts)
        if filled.size:
            shares = 1e4 * counts[filled[0] : filled[-1] + 1] / counts.sum()
            own = [float(f"{share:.{_SHARE_DIGITS}g}") for share in shares.tolist()]
            found.setdefault(str(case_id), {})[str(run_id)] = [int(filled[0]), int(counts.sum()), *own]
    return found


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]

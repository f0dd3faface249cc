"""Runs on disk that nobody ran: the test says what the cases took and how they ended."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.record import COLUMNS
from harness.store import RunHeader, RunWriter

MACHINE = {
    "backend": "cuda",
    "device": "cuda:0",
    "gpu": "Test GPU",
    "mig": "off",
    "cpu": "Test CPU",
    "driver_version": "580.1",
    "git_commit": "aaaa",
}


def case(number: int, rounds: Iterable[float] | None = None, **more: Any) -> tuple[dict[str, Any], list[float]]:
    """The row of a case and its rounds. Without rounds: not timed."""
    times = [] if rounds is None else [float(each) for each in rounds]
    row = {
        **dict.fromkeys(COLUMNS),
        **MACHINE,
        "case_id": f"c{number}",
        "case": f"gemm/dp4a/s{number}",
        "op": "gemm",
        "kernel": "dp4a",
        "kernel_role": "kernel",
        "status": "ok",
        "l2": "cold",
        "mode": "burst",
        "seed": 0,
        "sqnr_db": 30.0,
        "mse": 1e-3,
        "time_s": float(np.median(times)) if times else None,
        **more,
    }
    return row, times


def run_id(day: int) -> str:
    """Of nights in a row, from 1 January 2026 on."""
    date = np.datetime64("2026-01-01") + day
    return f"{str(date).replace('-', '')}T020000Z-{day:04x}"


def make_run(
    out: Path,
    cases: Iterable[tuple[dict[str, Any], list[float]]],
    *,
    day: int = 0,
    suite: str = "s",
    finish: bool = True,
    **more: Any,
) -> Path:
    """Write a run of these cases below ``out``; ``more`` are columns of all of them. The file of its results, or of its
    journal where it is not finished."""
    cases = list(cases)
    header = RunHeader(run_id(day), suite, "cuda:0", (), None, "digest", len(cases))
    writer = RunWriter.create(out, header)
    try:
        for row, rounds in cases:
            own = {**row, "suite": suite, "run_id": header.run_id, **more}
            writer.append(own, [[each, each * 1.001] for each in rounds])
        return writer.publish(writer.rows) if finish else writer.journal
    finally:
        writer.close()


def noisy(
    rng: np.random.Generator, time_s: float = 1e-3, noise: float = 0.003, rounds: int = 12
) -> NDArray[np.float64]:
    """Rounds of a case."""
    return time_s * (1 + noise * rng.standard_normal(rounds))

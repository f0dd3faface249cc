"""Columns of speed, and of the machine while it was measured; their values from a timing."""

from __future__ import annotations

from harness.columns import FLAG, REAL, TEXT, WHOLE, Column, Row
from harness.kernels.family import Work
from harness.peaks import Bound
from harness.timing import Timing
from harness.timing.summary import median_of, throttle_counts, throttled_share

SPEED = (
    Column("prepare_s", REAL, "seconds to load, calibrate, quantize and set up; not in time_s"),
    Column("measure_s", REAL, "seconds that timing took, warm-up and rests included"),
    Column("case_s", REAL, "seconds that the whole case took in its worker"),
    Column("time_s", REAL, "median seconds of a launch"),
    Column("time_p05_s", REAL, "5th percentile"),
    Column("time_p95_s", REAL, "95th percentile"),
    Column("time_low_s", REAL, "lower end of the median's 95 % interval (bootstrap over rounds)"),
    Column("time_high_s", REAL, "upper end of it"),
    Column("samples", WHOLE, "number of timing samples"),
    Column("rounds", WHOLE, "rounds that they were taken in"),
    Column("launches_per_sample", WHOLE, "launches that a sample is the mean of: more than 1 for kernels under 200 µs"),
    Column("stop_reason", TEXT, "what ended the sampling"),
    Column("settled", FLAG, "mode steady: whether clock and temperature held before sampling"),
    Column("noise", REAL, "relative spread, 1.4826·MAD / median"),
    Column("moved_bytes", WHOLE, "floor of bytes moved by a launch"),
    Column("flops", WHOLE, "operations of a launch"),
    Column("bytes_per_s", REAL, "moved_bytes / time_s"),
    Column("flops_per_s", REAL, "flops / time_s"),
    Column("bound", TEXT, "memory or compute: which measured peak is nearer"),
    Column("fraction_of_peak", REAL, "share of that peak that was reached"),
    Column(
        "fraction_of_peak_held",
        REAL,
        "the same with the rate of operations at the clock that was held; the memory's is not scaled",
    ),
    Column("energy_j", REAL, "energy of a launch above idle, where it was asked for (--energy)"),
    Column("speedup", REAL, "baseline's time_s / time_s"),
    Column("best_peer", TEXT, "the fastest peer kernel on the same problem"),
    Column("speedup_over_best_peer", REAL, "its time_s / time_s"),
)
STATE = (
    Column("sm_clock_hz", REAL, "clock of the multiprocessors during timing, median over rounds"),
    Column("sm_clock_min_hz", REAL, "the lowest of them"),
    Column("memory_clock_hz", REAL, "clock of the memory, median over rounds"),
    Column("power_w", REAL, "power drawn, median over rounds"),
    Column("temperature_c", REAL, "temperature, median over rounds"),
    Column("throttled_fraction", REAL, "share of rounds in which something held the clocks down"),
    Column("throttle_reasons", TEXT, "what held them down, most frequent first"),
    Column("other_load", REAL, "share of the cores that other processes kept busy, median over rounds"),
)


def speed_values(timing: Timing, work: Work | None, bound: Bound | None) -> Row:
    """The columns that follow from a timing."""
    values: Row = {
        "time_s": timing.time_s,
        "time_p05_s": timing.time_p05_s,
        "time_p95_s": timing.time_p95_s,
        "time_low_s": timing.time_low_s,
        "time_high_s": timing.time_high_s,
        "samples": len(timing.samples),
        "rounds": len(timing.states),
        "launches_per_sample": timing.launches_per_sample,
        "stop_reason": str(timing.stop),
        "settled": timing.settled,
        "noise": timing.noise,
        **_state_values(timing),
    }
    if work is not None and timing.time_s > 0:
        values["bytes_per_s"] = work.moved_bytes / timing.time_s
        values["flops_per_s"] = work.flops / timing.time_s if work.flops else None
    if bound is not None:
        values |= {
            "bound": bound.bound,
            "fraction_of_peak": bound.fraction_of_peak,
            "fraction_of_peak_held": bound.held_fraction,
        }
    return values


def _state_values(timing: Timing) -> Row:
    states = timing.states
    medians = ("sm_clock_hz", "memory_clock_hz", "power_w", "temperature_c", "other_load")
    values: Row = {name: median_of(states, name) for name in medians}
    clocks = [state.sm_clock_hz for state in states if state.sm_clock_hz is not None]
    if clocks:
        values |= {"sm_clock_min_hz": min(clocks), "throttled_fraction": throttled_share(states)}
        values["throttle_reasons"] = " ".join(name for name, _ in throttle_counts(states).most_common()) or None
    return values

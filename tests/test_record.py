"""A record as a row: every column design promises, nulls where nothing applies."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from fake_stopwatch import FakeStopwatch, timing_of

from harness.backends import find_device
from harness.environment import environment_of
from harness.kernels.family import Work
from harness.peaks import Bound
from harness.plan import plan
from harness.record import ARROW_SCHEMA, COLUMNS, Outcome, Record, Status
from harness.suite import load_suite
from harness.timing import MachineState, Measure, time_rounds

PROMISED = """
run_id suite case_id case op kernel backend device status reason scheme shape_name data m n k rows cols seed l2 mode
weight_format weight_granularity weight_symmetric weight_calibration weight_scale_format weight_narrow_range weight_range
activation_format activation_granularity activation_symmetric activation_calibration activation_scale_format
activation_narrow_range activation_range format granularity symmetric calibration scale_format narrow_range range
sqnr_db mse max_abs_error mean_relative_error cosine weight_sqnr_db activation_sqnr_db nan_count inf_count
saturated_fraction rounding_mse clipping_mse worst_block_sqnr_db code_mismatches bound_used dtype
prepare_s measure_s case_s time_s time_p05_s time_p95_s time_low_s time_high_s samples rounds launches_per_sample
stop_reason noise bound fraction_of_peak_held energy_j sm_clock_hz sm_clock_min_hz memory_clock_hz power_w temperature_c
throttled_fraction throttle_reasons other_load moved_bytes flops bytes_per_s flops_per_s fraction_of_peak speedup
best_peer speedup_over_best_peer bits_per_element
""".split()


def _cases(op, *, shape=None, **more):
    extents = {"m": 2, "n": 3, "k": 4} if op == "gemm" else {"shape": [2, 3, 4]}
    content = {
        "name": "r",
        "op": op,
        "shapes": [{"name": "s", **extents, **(shape or {})}],
        "matrix": {"kernel": "reference", **more},
    }
    return plan(load_suite(content), find_device("cpu"))


def _record(case, outcome):
    device = find_device("cpu")
    return Record("run", device.name, "reference", case, outcome, environment_of(device))


def test_every_promised_column_is_there():
    assert set(PROMISED) <= set(COLUMNS)
    assert ARROW_SCHEMA.names == list(COLUMNS)


def test_a_timed_product():
    (case,) = _cases("gemm", scheme="w4a16_g32")
    timing = timing_of(0.5, 0.5)
    outcome = Outcome(Status.OK, metrics={"sqnr_db": 20.0}, work=Work(100, 48, 80), timing=timing, prepare_s=1.0)
    row = _record(case, outcome).row()
    assert (row["m"], row["n"], row["k"], row["rows"]) == (2, 3, 4, None)
    assert (row["weight_format"], row["weight_symmetric"], row["activation_format"]) == ("int4", False, None)
    assert (row["bytes_per_s"], row["flops_per_s"], row["samples"]) == (200.0, 96.0, 2)
    assert row["data"] == "weight=normal activation=normal"
    assert row["scheme"] == "w4a16_g32"
    pa.Table.from_pylist([row], ARROW_SCHEMA)


def test_a_skipped_tensor_has_nulls():
    (case,) = _cases("quantize", format="int8")
    row = _record(case, Outcome(Status.SKIPPED, "because")).row()
    assert (row["rows"], row["cols"], row["format"], row["data"]) == (6, 4, "int8", "normal")
    for name in ("time_s", "sqnr_db", "flops", "moved_bytes", "samples", "m", "weight_format"):
        assert row[name] is None


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_the_type_of_a_tensor_is_a_column(dtype):
    (case,) = _cases("quantize", shape={"dtype": dtype}, format="int8")
    assert _record(case, Outcome(Status.OK)).row()["dtype"] == dtype


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_the_type_of_a_product_is_a_column(dtype):
    (case,) = _cases("gemm", shape={"dtype": dtype}, scheme="w8a8")
    assert _record(case, Outcome(Status.OK)).row()["dtype"] == dtype


@pytest.mark.parametrize("bound", [Bound("compute", 0.5, 0.75), Bound("memory", 0.9, None), None])
def test_what_bounds_a_kernel_and_how_near_it_comes(bound):
    (case,) = _cases("quantize", format="int8")
    outcome = Outcome(
        Status.OK, work=Work(100, 0, 80), timing=timing_of(0.5), bound=bound, metrics={"bound_used": 0.25}
    )
    row = _record(case, outcome).row()
    assert (row["bytes_per_s"], row["bound_used"]) == (200.0, 0.25)
    expected = (bound.bound, bound.fraction_of_peak, bound.held_fraction) if bound else (None, None, None)
    assert (row["bound"], row["fraction_of_peak"], row["fraction_of_peak_held"]) == expected


def test_the_state_of_the_machine_is_in_the_row():
    (case,) = _cases("quantize", format="int8")
    capped = MachineState(1.2e9, 2.6e9, 690.0, 61.0, ("sw_power_cap", "hw_slowdown"))
    states = iter(
        [MachineState(1.9e9, 2.6e9, 400.0, 55.0), capped, MachineState(1.1e9, 2.6e9, 695.0, 62.0, ("sw_power_cap",))]
    )
    watch = FakeStopwatch(state=lambda: next(states))
    timing = time_rounds(watch, Measure(min_samples=30, min_time_s=0))
    row = _record(case, Outcome(Status.OK, timing=timing)).row()
    assert (row["sm_clock_hz"], row["sm_clock_min_hz"], row["memory_clock_hz"]) == (1.2e9, 1.1e9, 2.6e9)
    assert (row["power_w"], row["temperature_c"], row["other_load"]) == (690.0, 61.0, None)
    assert row["throttled_fraction"] == pytest.approx(2 / 3)
    assert row["throttle_reasons"] == "sw_power_cap hw_slowdown"
    assert (row["rounds"], row["stop_reason"], row["launches_per_sample"]) == (3, "noise", 1)


def test_a_machine_that_tells_nothing_leaves_nulls():
    (case,) = _cases("quantize", format="int8")
    row = _record(case, Outcome(Status.OK, timing=timing_of(0.5))).row()
    for name in ("sm_clock_hz", "sm_clock_min_hz", "power_w", "throttled_fraction", "throttle_reasons", "energy_j"):
        assert row[name] is None


def test_nan_is_null_and_unknown_columns_are_a_bug():
    (case,) = _cases("quantize", format="int8")
    row = _record(case, Outcome(Status.OK, metrics={"sqnr_db": float("nan"), "mse": np.float64(1)})).row()
    assert row["sqnr_db"] is None
    assert type(row["mse"]) is float
    with pytest.raises(KeyError, match="nosuch"):
        _record(case, Outcome(Status.OK, metrics={"nosuch": 1.0})).row()

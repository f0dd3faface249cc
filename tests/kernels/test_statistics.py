"""The family of statistics: its oracle against loops, what its judge refuses, and how launches are shared out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import harness
from harness.backends import find_device
from harness.kernels.common.affine_program import THREADS
from harness.kernels.common.tensor_problem import TensorProblem
from harness.kernels.statistics.measured import code_figures
from harness.kernels.statistics.oracle import FAMILY, REFERENCE, code_counts
from harness.kernels.statistics.program import share, statistics_program
from harness.numerics.packing import pack_bits, unpack_bits
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.scheme import OperandScheme

CPU = find_device("cpu")
GRANULARITIES = ["per_tensor", "per_channel", "per_group:7", "per_block:2x16"]


def _problem(values, *, format="int8", granularity="per_tensor", **more):
    scheme = OperandScheme(format, granularity, **more)
    quantized = quantize(np.asarray(values, np.float32), scheme, non_finite="mask")
    return TensorProblem(np.asarray(values, np.float32), quantized, float(scheme.element.bits))


def _values(seed=0, shape=(9, 37)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _output(problem):
    kernel = REFERENCE(problem, CPU)
    kernel.launch()
    return kernel.output()


def _loop(problem):
    """(index of the largest error, {block: mean squared error}, signal power) of finite values, one by one."""
    made, tiling = dequantize(problem.quantized), problem.quantized.tiling
    largest, at, power, blocks = -1.0, None, [], {}
    for flat, where in enumerate(np.ndindex(problem.values.shape)):
        x = float(problem.values[where])
        if not math.isfinite(x):
            continue
        error = abs(float(made[where]) - x)
        if error > largest:
            largest, at = error, flat
        power.append(x * x)
        place = tuple(index // extent for index, extent in zip(where, tiling.block, strict=True))
        blocks.setdefault(int(np.ravel_multi_index(place, tiling.grid)), []).append(error**2)
    means = {block: math.fsum(squares) / len(squares) for block, squares in blocks.items()}
    return at, means, math.fsum(power) / len(power)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("holes", [False, True])
def test_the_oracle_is_what_a_loop_finds(granularity, holes):
    values = _values()
    if holes:
        values[0], values[3, 4:9], values[8, 36] = np.nan, np.inf, -np.inf
    problem = _problem(values, format="int4", granularity=granularity, calibration="percentile:90")
    figures = _output(problem).figures
    at, means, power = _loop(problem)
    assert figures["max_error_index"] == at
    assert figures["signal_power"] == pytest.approx(power, rel=1e-12)
    assert figures["worst_block_mse"] == pytest.approx(max(means.values()), rel=1e-12)
    assert means[figures["worst_block"]] == pytest.approx(max(means.values()), rel=1e-12)


def test_of_equal_errors_the_first_counts():
    problem = _problem([[127.0, 0.5, -0.5, 0.25, 0.5]])
    assert _output(problem).figures["max_error_index"] == 1


def test_an_exact_result_has_its_largest_error_of_zero_at_the_first_finite_value():
    figures = _output(_problem([[np.nan, 127.0, 3.0, -5.0]])).figures
    assert (figures["max_abs_error"], figures["max_error_index"]) == (0.0, 1)


def test_nothing_finite_has_no_figures():
    problem = _problem(np.full((2, 3), np.nan))
    output = _output(problem)
    for name in ("mse", "signal_power", "max_error_index", "worst_block", "worst_block_mse"):
        assert output.figures[name] is None
    assert FAMILY.judge(problem, output).conforms


@pytest.mark.parametrize("name", ["int8", "uint8", "int4", "int2", "ternary", "binary", "fp8_e4m3", "fp6_e2m3", "nf4"])
def test_codes_are_counted_by_their_bits_as_they_are_stored(name):
    problem = _problem(_values(), format=name)
    codes, bits = problem.quantized.codes, problem.quantized.scheme.element.bits
    stored = unpack_bits(pack_bits(codes > 0 if name == "binary" else codes, bits), bits, codes.size)
    expected = np.array([(stored == pattern).sum() for pattern in range(2**bits)])
    np.testing.assert_array_equal(code_counts(problem), expected)


@pytest.mark.parametrize(
    ("counts", "entropy", "used"),
    [([8, 0, 0, 0], 0.0, 1), ([1, 1, 1, 1], 2.0, 4), ([2, 1, 1, 0], 1.5, 3), ([0, 3, 3, 0], 1.0, 2)],
)
def test_entropy_and_codes_used(counts, entropy, used):
    assert code_figures(np.array(counts, np.uint32)) == {
        "code_entropy_bits": pytest.approx(entropy),
        "codes_used": used,
    }


def test_no_codes_have_no_entropy():
    assert code_figures(np.zeros(4, np.uint32)) == {}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mse", lambda value: value * (1 + 1e-8)),
        ("signal_power", lambda value: value * (1 - 1e-8)),
        ("signal_power", lambda value: None),
        ("max_error_index", lambda value: value + 1),
        ("worst_block", lambda value: (value + 1) % 9),
        ("worst_block", lambda value: 9),
        ("worst_block", lambda value: None),
        ("worst_block_mse", lambda value: value * (1 + 1e-8)),
        ("nan_count", lambda value: 1),
        ("sqnr_db", lambda value: value + 1e-6),
    ],
)
def test_a_figure_that_is_off_does_not_conform(name, wrong):
    problem = _problem(_values(), granularity="per_token")
    right = _output(problem)
    assert FAMILY.judge(problem, right).conforms
    off = replace(right, figures={**right.figures, name: wrong(right.figures[name])})
    assert name in FAMILY.judge(problem, off).reason


def test_blocks_that_are_equally_bad_may_each_be_called_the_worst():
    row = _values(shape=(1, 37))
    problem = _problem(np.concatenate([row / 8, row, row]), granularity="per_token")
    right = _output(problem)
    for block, conforms in ((0, False), (1, True), (2, True)):
        named = replace(right, figures={**right.figures, "worst_block": block})
        assert FAMILY.judge(problem, named).conforms == conforms


def test_one_code_counted_as_another_does_not_conform():
    problem = _problem(_values(), format="int4")
    right = _output(problem)
    counts = right.counts.copy()
    counts[3] -= 1
    counts[4] += 1
    assert "code 3 is counted" in FAMILY.judge(problem, replace(right, counts=counts)).reason
    assert "shape" in FAMILY.judge(problem, replace(right, counts=counts[1:])).reason


def test_records_have_the_figures(tmp_path):
    suite = {
        "name": "s",
        "op": "statistics",
        "shapes": [{"name": "a", "rows": 16, "cols": 64}],
        "matrix": {"kernel": "reference", "format": ["int8", "binary"], "granularity": "per_token"},
        "measure": {"l2": "hot", "min_samples": 1, "max_time_s": 0.01},
    }
    rows = harness.run(suite, out=tmp_path).set_index("format")
    assert (rows["status"] == "ok").all()
    assert (rows["worst_block_mse"] >= rows["mse"]).all()
    assert rows["max_error_index"].between(0, 16 * 64 - 1).all()
    assert rows["worst_block"].between(0, 15).all()
    assert rows.loc["binary", "codes_used"] == 2
    assert 0.99 < rows.loc["binary", "code_entropy_bits"] <= 1
    assert 6 < rows.loc["int8", "code_entropy_bits"] < 8
    np.testing.assert_allclose(rows["sqnr_db"], 10 * np.log10(rows["signal_power"] / rows["mse"]))


SHAPES = [
    (1, 1),
    (3, 5),
    (33, 131),
    (31, 256),
    (8192, 8192),
    (4, 1 << 20),
    (1 << 20, 16),
    (5000, 1024),
    (1 << 16, 4096),
]


def _program(shape, granularity, *, axis=0, dtype="f32", format="int8"):
    scheme = OperandScheme(format, granularity)
    tiling = scheme.blocks.tiling(shape, axis)
    return statistics_program(scheme, tiling, dtype), math.prod(tiling.grid)


@pytest.mark.parametrize(
    "granularity", ["per_tensor", "per_token", "per_group:128", "per_group:32", "per_block:128x128"]
)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_launches_keep_the_device_busy_and_no_block_in_splinters(shape, granularity, axis):
    found, blocks = _program(shape, "per_channel" if axis else granularity, axis=axis)
    for resident in (1, 396, 528):
        made = share(found, blocks, resident)
        assert 1 <= made.grid <= resident
        assert made.parts >= 1
        if found.program.layout.kind != "one" and blocks >= resident * THREADS * 8:
            assert made.parts == 1
        if found.steps:
            assert made.parts == 1


@pytest.mark.parametrize(
    ("granularity", "dtype", "format", "expected"),
    [
        ("per_group:128", "f32", "int8", (8, 4)),
        ("per_group:128", "bf16", "int8", (4, 4)),
        ("per_group:128", "f32", "int4", (16, 2)),
        ("per_group:32", "f32", "int8", (8, 1)),
        ("per_group:16", "bf16", "fp4_e2m1", (2, 1)),
        ("per_token", "f32", "int8", (32, 0)),
        ("per_tensor", "f32", "int8", (32, 0)),
        ("per_group:7", "f32", "int8", (4, 0)),
        ("per_group:24", "f32", "int8", (4, 0)),
    ],
)
def test_teams(granularity, dtype, format, expected):
    found, _ = _program((8192, 8192), granularity, dtype=dtype, format=format)
    assert (found.team, found.steps) == expected
    assert 0 < found.team <= 32 and found.team & (found.team - 1) == 0

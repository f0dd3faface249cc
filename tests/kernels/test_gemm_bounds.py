"""What products are held to: whole sums, sums in f32 in any order, operands and outputs of 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from example_suites import cases_of, product
from numpy.typing import NDArray

from harness.kernels.gemm.oracle import FAMILY, GemmProblem, OutputCodes, Product
from harness.kernels.tensors import Tensors

Float32 = NDArray[np.float32]
POSITIVE = {"distribution": "uniform", "low": 0.5, "high": 1.0}
"""Nothing cancels: an output is as large as the magnitude that its bound is made from."""


def _problem(
    m: int = 5, n: int = 7, k: int = 96, *, data: dict[str, Any] | None = None, kernel: str = "ort_f32", **axes: Any
) -> GemmProblem:
    axes = axes or {"scheme": "w8a8"}
    both = {"weight": data, "activation": data} if data else {}
    more = {"shapes": [{"name": "a", "m": m, "n": n, "k": k}], "data": both}
    (case,) = cases_of(product, kernel=kernel, more=more, **axes)
    return FAMILY.problem(case, Tensors())


def _operands(problem: GemmProblem, dtype: Any = np.float32) -> tuple[Float32, Float32]:
    """As a kernel takes them, in f32."""
    x, w = (each.values.astype(dtype).astype(np.float32) for each in (problem.activation, problem.weight))
    return x, w


def _terms(problem: GemmProblem, dtype: Any = np.float32) -> Float32:
    """The products that are summed, [m, n, k], each rounded to f32."""
    x, w = _operands(problem, dtype)
    return x[:, None, :] * w[None, :, :]


def _one_by_one(terms: Float32) -> Float32:
    total = np.zeros(terms.shape[:-1], np.float32)
    for index in range(terms.shape[-1]):
        total += terms[..., index]
    return total


def _split(terms: Float32) -> Float32:
    """Eight parts of k apart, then their sums."""
    parts = [_one_by_one(part) for part in np.array_split(terms, 8, axis=-1)]
    return _one_by_one(np.stack(parts, axis=-1))


def _order(terms: Float32) -> NDArray[np.int64]:
    return np.argsort(-np.abs(terms), axis=-1)


ORDERS: dict[str, Callable[[Float32], Float32]] = {
    "one by one": _one_by_one,
    "from the end": lambda terms: _one_by_one(terms[..., ::-1]),
    "in pairs": lambda terms: terms.sum(axis=-1, dtype=np.float32),
    "in eight parts": _split,
    "the largest first": lambda terms: _one_by_one(np.take_along_axis(terms, _order(terms), -1)),
    "positive ones first": lambda terms: _one_by_one(-np.sort(-terms, axis=-1)),
    "shuffled": lambda terms: _one_by_one(terms[..., np.random.default_rng(0).permutation(terms.shape[-1])]),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("k", [1, 2, 96, 1000])
@pytest.mark.parametrize(
    "data", [None, POSITIVE, {"distribution": "normal", "outlier_channels": 0.05, "outlier_scale": 100}]
)
def test_sums_in_f32_conform_in_any_order(order, k, data):
    problem = _problem(k=k, data=data)
    verdict = FAMILY.judge(problem, Product(ORDERS[order](_terms(problem)), "f32"))
    assert verdict.conforms, verdict.reason
    assert 0 <= verdict.bound_used <= 1
    assert verdict.bound_used > 0 or k == 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("data", [None, POSITIVE])
def test_f16_operands_and_output(order, data):
    """Held to the product of the rounded operands: what rounding them costs is accuracy, no fault of the kernel."""
    problem = _problem(data=data)
    made = Product(ORDERS[order](_terms(problem, np.float16)).astype(np.float16), "f32", operands="f16")
    verdict = FAMILY.judge(problem, made)
    assert verdict.conforms, verdict.reason
    assert 0 < verdict.bound_used <= 1


def test_f16_operands_with_an_f32_output_are_held_to_f32_sums():
    problem = _problem(data=POSITIVE)
    x, w = _operands(problem, np.float16)
    made = x @ w.T
    assert FAMILY.judge(problem, Product(made, "f32", operands="f16")).conforms
    assert not FAMILY.judge(problem, Product(made, "f32")).conforms
    assert not FAMILY.judge(
        problem, Product(made.astype(np.float16).astype(np.float32), "f32", operands="f16")
    ).conforms


@pytest.mark.parametrize("percent", [1.0, -1.0, 0.5])
@pytest.mark.parametrize(("dtype", "operands"), [(np.float16, "f16"), (np.float32, "f32"), (np.float32, "f16")])
def test_one_wrong_output_is_noticed(percent, dtype, operands):
    problem = _problem(data=POSITIVE)
    x, w = _operands(problem, np.float16 if operands == "f16" else np.float32)
    made = (x @ w.T).astype(dtype)
    assert FAMILY.judge(problem, Product(made, "f32", operands=operands)).conforms
    made[3, 5] *= dtype(1 + percent / 100)
    verdict = FAMILY.judge(problem, Product(made, "f32", operands=operands))
    assert verdict.reason.startswith("1 of 35 outputs exceed the bound for f32 sums, the first at (3, 5): ")
    assert verdict.bound_used is None


def test_a_term_left_out_is_noticed():
    problem = _problem(k=4096, data=POSITIVE)
    x, w = _operands(problem, np.float16)
    whole, short = x @ w.T, x[:, :-16] @ w[:, :-16].T
    assert FAMILY.judge(problem, Product(whole.astype(np.float16), "f32", operands="f16")).conforms
    assert not FAMILY.judge(problem, Product(short.astype(np.float16), "f32", operands="f16")).conforms


def test_operands_that_a_scheme_touches_are_not_rounded():
    """A 16-bit activation times int8 weights: codes and scales are as they are."""
    problem = _problem(kernel="reference", scheme="w8a16", data=POSITIVE)
    w = problem.weight.quantized
    values = w.codes.astype(np.float64) * w.tiling.expand(w.params.scale)
    expected = problem.activation.values.astype(np.float16).astype(np.float64) @ values.T
    np.testing.assert_allclose(problem.expected_of("f16"), expected, rtol=1e-12)
    assert problem.expected_of("f32") is problem.expected
    assert problem.expected_of("f16") is problem.expected_of("f16"), "made once"
    assert not np.allclose(problem.expected, expected, rtol=1e-6)


def test_sampled_rows_are_those_of_the_rounded_operands_too():
    more = {"shapes": [{"name": "a", "m": 40, "n": 6, "k": 32}], "reference_rows": 8}
    (case,) = cases_of(product, kernel="ort_f32", more=more, scheme="w8a8")
    problem = FAMILY.problem(case, Tensors())
    x, w = _operands(problem, np.float16)
    made = (x @ w.T).astype(np.float16)
    assert problem.expected_of("f16").shape == (8, 6)
    assert FAMILY.judge(problem, Product(made, "f32", operands="f16")).conforms


def test_whole_sums_say_how_much_of_the_bound_they_use():
    problem = _problem(kernel="reference", scheme="w8a8")
    assert FAMILY.judge(problem, Product(problem.expected, "exact")).bound_used == 0
    verdict = FAMILY.judge(problem, Product(problem.expected.astype(np.float32), "exact"))
    assert verdict.conforms
    assert 0 < verdict.bound_used <= 0.25, "one rounding of four"
    edge = problem.expected * (1 + 3.9 * 2.0**-24)
    assert FAMILY.judge(problem, Product(edge, "exact")).bound_used == pytest.approx(0.975, rel=1e-3)
    assert not FAMILY.judge(problem, Product(problem.expected * (1 + 4.1 * 2.0**-24), "exact")).conforms


def test_scales_applied_in_f32_conform():
    """As the tiled kernels do: int32 sums, times the row's scale, times the column's."""
    problem = _problem(kernel="reference", scheme="w8a8", k=512)
    x, w = problem.activation.quantized, problem.weight.quantized
    sums = x.codes.astype(np.int32) @ w.codes.astype(np.int32).T
    made = sums.astype(np.float32) * x.params.scale * w.params.scale.T
    assert made.dtype == np.float32
    verdict = FAMILY.judge(problem, Product(made, "exact"))
    assert verdict.conforms, verdict.reason
    assert 0 < verdict.bound_used <= 1
    sums[2, 3] += 1
    wrong = sums.astype(np.float32) * x.params.scale * w.params.scale.T
    assert "the first at (2, 3)" in FAMILY.judge(problem, Product(wrong, "exact")).reason


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_whole_sums_may_be_rounded_to_sixteen_bits_once(dtype):
    problem = _problem(kernel="reference", scheme="w8a8", k=512)
    once = problem.expected.astype(np.float32).astype(dtype)
    verdict = FAMILY.judge(problem, Product(once, "exact"))
    assert verdict.conforms, verdict.reason
    assert 0.5 < verdict.bound_used <= 1
    off = once.copy()
    off[1, 2] = np.nextafter(off[1, 2], dtype(np.inf))
    off[1, 2] = np.nextafter(off[1, 2], dtype(np.inf))
    assert (
        "1 of 35 outputs exceed the bound for exact sums, the first at (1, 2)"
        in FAMILY.judge(problem, Product(off, "exact")).reason
    )
    assert (
        FAMILY.work(problem, Product(once, "exact")).moved_bytes
        < FAMILY.work(problem, Product(once.astype(np.float32), "exact")).moved_bytes
    )
    assert FAMILY.accuracy(problem, Product(once, "exact"))["sqnr_db"] > 30


def test_nan_among_the_outputs_is_noticed():
    problem = _problem()
    made = problem.expected.astype(np.float32)
    made[1, 2] = np.nan
    assert "the first at (1, 2): " in FAMILY.judge(problem, Product(made, "f32")).reason


def test_operands_beyond_the_type_leave_no_finite_output():
    """An infinite operand has no right product but Inf or NaN."""
    problem = _problem(m=3, n=4, k=8, data={"distribution": "normal", "std": 2.0, "mean": 2e5})
    assert not np.isfinite(problem.expected_of("f16")).any()
    made = np.full((3, 4), np.nan, np.float16)
    made[0] = np.inf
    assert FAMILY.judge(problem, Product(made, "f32", operands="f16")).conforms
    made[2, 1] = 0
    assert "the first at (2, 1): " in FAMILY.judge(problem, Product(made, "f32", operands="f16")).reason


def test_an_f16_output_is_rounded_once_where_terms_cancel():
    """Half a unit of the output, not of the terms that it is the difference of."""
    problem = _problem(k=1000)
    exact = problem.expected_of("f16")
    assert FAMILY.judge(problem, Product(exact.astype(np.float16), "f32", operands="f16")).conforms
    x, w = _operands(problem, np.float16)
    terms = (np.abs(x) @ np.abs(w).T).astype(np.float64)
    made = (exact + 2.0**-11 * terms).astype(np.float16)
    assert "35 of 35" in FAMILY.judge(problem, Product(made, "f32", operands="f16")).reason


def test_codes_have_no_bound():
    problem = _problem(kernel="reference", scheme="w8a8")
    scale = float(np.abs(problem.expected).max()) / 127
    codes = np.clip(np.rint(problem.expected / scale), -128, 127).astype(np.int8)
    made = Product(problem.expected, "exact", OutputCodes(codes, scale, 0, -128, 127))
    verdict = FAMILY.judge(problem, made)
    assert (verdict.reason, verdict.mismatches, verdict.bound_used) == (None, 0, None)


M, N, K = 5, 7, 96


@pytest.mark.parametrize(
    ("scheme", "dtype", "operands", "moved", "bits"),
    [
        (None, np.float32, "f32", 4 * (N * K + M * K + M * N), 32),
        (None, np.float16, "f16", 2 * (N * K + M * K + M * N), 16),
        (None, np.float32, "f16", 2 * (N * K + M * K) + 4 * M * N, 16),
        ("w8a8", np.float32, "f32", N * K + M * K + 4 * (N + M) + 4 * M * N, 8 + 32 / K),
        ("w8a16", np.float32, "f32", N * K + 4 * N + 4 * M * K + 4 * M * N, 8 + 32 / K),
        ("w8a16", np.float16, "f16", N * K + 4 * N + 2 * M * K + 2 * M * N, 8 + 32 / K),
    ],
)
def test_work_counts_what_the_operands_take(scheme, dtype, operands, moved, bits):
    axes = {"kernel": "reference", "scheme": scheme} if scheme else {}
    problem = _problem(M, N, K, **axes)
    made = Product(problem.expected.astype(dtype), "f32", operands=operands)
    work = FAMILY.work(problem, made)
    assert (work.moved_bytes, work.flops) == (moved, 2 * M * N * K)
    assert FAMILY.accuracy(problem, made)["bits_per_element"] == pytest.approx(bits)

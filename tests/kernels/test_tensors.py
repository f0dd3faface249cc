"""Tensors of a run: in the type of their operand, made once, within a budget."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import planned, product, tensor

from harness.kernels.common.tensor_problem import dequantized
from harness.kernels.dequantize.oracle import FAMILY
from harness.kernels.tensors import Tensors, host_product
from harness.numerics.quantize import dequantize, quantize
from harness.numerics.value_types import VALUE_TYPES

TYPES = ["f32", "f16", "bf16"]


def _cases(**more):
    shapes = [{"name": "a", "rows": 64, "cols": 128, "dtype": TYPES}]
    return dict(zip(TYPES, planned(tensor(shapes=shapes, **more)), strict=True))


@pytest.mark.parametrize("dtype", TYPES)
def test_the_data_are_those_of_f32_rounded(dtype):
    cases, tensors = _cases(), Tensors()
    exact, rounded = (tensors.values(cases[each], cases[each].operands[0]) for each in ("f32", dtype))
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded, VALUE_TYPES[dtype].round(exact))
    assert np.array_equal(rounded, exact) == (dtype == "f32")


def test_what_is_beyond_the_type_becomes_infinite():
    cases, tensors = _cases(data={"tensor": {"distribution": "normal", "std": 1e5}}), Tensors()
    found = {dtype: tensors.values(case, case.operands[0]) for dtype, case in cases.items()}
    assert np.array_equal(np.isinf(found["f16"]), np.abs(found["f32"]) >= 65520)
    assert np.isinf(found["f16"]).any()
    assert np.isfinite(found["bf16"]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_operands_are_quantized_from_what_the_type_holds(dtype):
    case, tensors = _cases()[dtype], Tensors()
    prepared = tensors.operand(case, "tensor")
    expected = quantize(tensors.values(case, case.operands[0]), case.operands[0].scheme, non_finite="mask")
    assert np.array_equal(prepared.quantized.params.scale, expected.params.scale)
    assert np.array_equal(prepared.quantized.codes, expected.codes)


@pytest.mark.parametrize("dtype", TYPES)
def test_dequantized_values_are_rounded_once_to_the_type(dtype):
    problem = FAMILY.problem(_cases()[dtype], Tensors())
    values = dequantized(problem)
    assert np.array_equal(values, VALUE_TYPES[dtype].round(dequantize(problem.quantized)))
    assert FAMILY.judge(problem, values).conforms
    wrong = values.copy()
    wrong[3, 5] = np.nextafter(wrong[3, 5], np.float32(np.inf))
    assert FAMILY.judge(problem, wrong).reason.startswith("1 of 8192 values differ, the first at (3, 5)")
    assert problem.value_bytes == values.size * VALUE_TYPES[dtype].bytes


def test_types_are_kept_apart_and_each_is_made_once():
    cases, tensors = _cases(), Tensors()
    first = {dtype: tensors.operand(case, "tensor") for dtype, case in cases.items()}
    again = {dtype: tensors.operand(case, "tensor") for dtype, case in cases.items()}
    for dtype in TYPES:
        assert again[dtype].values is first[dtype].values
        assert again[dtype].quantized is first[dtype].quantized
    assert len({id(each.values) for each in first.values()}) == len(TYPES)


def test_the_least_recently_used_goes_first():
    tensors = Tensors(budget_bytes=100)
    made: list[str] = []

    def value(key: str) -> str:
        return tensors.cached(key, lambda: made.append(key) or key, lambda _: 40)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert value(key) == key
    assert made == ["a", "b", "c", "b"]


def test_one_that_is_larger_than_the_budget_is_kept_for_the_next_case():
    tensors = Tensors(budget_bytes=100)
    big = tensors.cached("a", lambda: object(), lambda _: 1000)
    assert tensors.cached("a", lambda: object(), lambda _: 1000) is big


def test_products_are_made_by_who_is_given():
    (case,) = planned(product(shapes=[{"name": "a", "m": 2, "n": 3, "k": 8}]))
    from harness.kernels.gemm.oracle import FAMILY as GEMM

    calls: list[tuple[int, ...]] = []

    def counted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        calls.append((*a.shape, *b.shape))
        return host_product(a, b)

    ours, theirs = (GEMM.problem(case, Tensors(product=made)) for made in (None, counted))
    assert calls
    assert set(calls) == {(2, 8, 3, 8)}
    assert np.array_equal(ours.expected, theirs.expected)
    assert np.array_equal(ours.exact, theirs.exact)

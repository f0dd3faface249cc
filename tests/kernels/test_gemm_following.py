"""What follows a product: functions, bounds that are carried through, codes, and which kernels take it."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import CPU, cases_of, planned, product

from harness.device import Device
from harness.kernels.gemm.following import Following, codes_in_f32
from harness.kernels.gemm.oracle import FAMILY, Product, requantized_product
from harness.kernels.tensors import Tensors
from harness.numerics.epilogue import FUNCTIONS, NOTHING, OUTPUTS, Epilogue, output_scale

HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)
SHAPE = {"shapes": [{"name": "a", "m": 6, "n": 9, "k": 50}]}


def _problem(**axes):
    (case,) = cases_of(product, more=SHAPE, scheme="w8a8", **axes)
    return FAMILY.problem(case, Tensors())


def _sums(problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w = problem.activation.quantized, problem.weight.quantized
    sums = x.codes.astype(np.int64) @ w.codes.astype(np.int64).T
    return sums, x.params.scale.reshape(-1, 1), w.params.scale.reshape(1, -1)


def _in_f32(problem) -> np.ndarray:
    sums, rows, columns = _sums(problem)
    y = sums.astype(np.float32) * rows * columns
    y = y if problem.bias is None else y + problem.bias
    made: np.ndarray = problem.epilogue.row.apply(y)
    assert made.dtype == np.float32
    return made


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_torch_and_as_steep_as_they_say(name):
    torch = pytest.importorskip("torch")
    row, x = FUNCTIONS[name], np.linspace(-12, 12, 200_001)
    wanted = {
        "none": lambda t: t,
        "relu": torch.relu,
        "silu": torch.nn.functional.silu,
        "gelu": torch.nn.functional.gelu,
    }
    np.testing.assert_allclose(row.apply(x), wanted[name](torch.from_numpy(x)).numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_steepness_bounds_every_difference(name):
    row, x = FUNCTIONS[name], np.linspace(-12, 12, 200_001)
    steepest = np.abs(np.diff(row.apply(x)) / np.diff(x)).max()
    assert steepest <= row.steepness <= 1.001 * steepest


def test_functions_hold_where_exponentials_overflow():
    assert [row.apply(np.array([-1e4]))[0] for row in FUNCTIONS.values()] == [-1e4, 0, 0, 0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_f32_arithmetic_conforms_and_one_wrong_output_does_not(function, bias, dtype):
    problem = _problem(epilogue__function=function, epilogue__bias=bias)
    made = _in_f32(problem).astype(dtype)
    assert FAMILY.judge(problem, Product(made, "exact")).conforms
    assert (problem.bias is not None) == bias
    made[3, 4] += dtype(0.02)
    assert not FAMILY.judge(problem, Product(made, "exact")).conforms


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("sums", ["exact", "f32"])
def test_codes_of_an_int8_output(function, sums):
    problem = _problem(epilogue__function=function, epilogue__bias=True, output__format="int8")
    quotient = _in_f32(problem) / problem.output_scale
    codes = np.clip(np.rint(quotient), -128, 127).astype(np.int8)
    verdict = FAMILY.judge(problem, requantized_product(problem, codes, sums))
    assert verdict.conforms, verdict.reason
    assert codes.max() == 127 or codes.min() <= -127
    codes[2, 2] += 1 if codes[2, 2] < 100 else -1
    verdict = FAMILY.judge(problem, requantized_product(problem, codes, sums))
    assert "1 of 54 output codes are wrong, the first at (2, 2)" in verdict.reason
    assert verdict.mismatches == 1


def test_codes_round_half_to_even_and_saturate():
    following = Following(Epilogue(output="int8"), None, np.array([[127.0, 0.0]]))
    assert following.scale == 1
    codes = codes_in_f32(following, np.array([[0.5, 1.5, 2.5, -0.5, 300, -300]]), np.ones((1, 1)), np.ones((1, 1)))
    assert codes.tolist() == [[0, 2, 2, 0, 127, -128]]


def test_a_scale_of_zeros_is_one():
    assert output_scale(np.zeros(3)) == 1
    assert output_scale(np.array([np.inf, 254.0])) == 2


def test_labels_and_numbers():
    assert NOTHING.label == ""
    assert Epilogue(True, "gelu", "int8").label == "bias gelu to int8"
    assert [Epilogue(function=name).number for name in FUNCTIONS] == [0, 1, 2, 3]
    assert tuple(OUTPUTS) == ("none", "int8")


def test_defaults_leave_the_identity_of_a_case_as_it_was():
    (plain,) = cases_of(product, more=SHAPE, scheme="w8a8")
    (spelled,) = cases_of(
        product, more=SHAPE, scheme="w8a8", epilogue__bias=False, epilogue__function="none", output__format="none"
    )
    (followed,) = cases_of(product, more=SHAPE, scheme="w8a8", epilogue__function="relu")
    assert plain.case_id == spelled.case_id != followed.case_id
    assert plain.name == spelled.name
    assert followed.name == plain.name + " + relu"


def test_kernels_say_that_they_take_no_epilogue_and_baselines_ignore_it():
    kernels = ["cublas_f16", "dp4a", "mma_s8", "wgmma_s8"]
    cases = cases_of(product, kernel=kernels, device=HOPPER, more=SHAPE, scheme="w8a8", epilogue__bias=True)
    assert {case.kernel: case.skip for case in cases} == {
        "cublas_f16": None,
        "dp4a": "takes no epilogue",
        "mma_s8": None,
        "wgmma_s8": None,
    }
    assert cases[0].epilogue == NOTHING


def test_cases_are_chosen_and_dropped_by_what_follows():
    from harness.select import select
    from harness.suite import load_suite

    suite = product(
        matrix={"kernel": "reference", "weight.format": "int8", "epilogue.function": ["none", "relu", "silu"]},
        exclude=[{"epilogue.function": "silu"}],
    )
    cases = planned(suite, CPU)
    assert [case.epilogue.function for case in cases] == ["none", "relu"]
    (chosen,) = select(cases, load_suite(suite), ["epilogue.function=relu", "epilogue.bias=false"], None)
    assert chosen.epilogue.function == "relu"

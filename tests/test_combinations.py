"""Axes, presets, includes and excludes; what kernels ignore, and the baseline that is added."""

from __future__ import annotations

import pytest
from example_suites import CUDA, cases_of, planned, product, schemes_of, tensor

from harness.kernels.spec import KernelSpec
from harness.numerics.scheme import SCHEMES, OperandScheme, preset


def test_axes_are_multiplied():
    cases = cases_of(
        tensor, format=["int8", "int4"], granularity=["per_tensor", "per_channel"], symmetric=[True, False]
    )
    assert {schemes_of(case) for case in cases} == {
        (OperandScheme(form, granularity, symmetric),)
        for form in ("int8", "int4")
        for granularity in ("per_tensor", "per_channel")
        for symmetric in (True, False)
    }
    assert len(cases) == 8


@pytest.mark.parametrize("name", SCHEMES)
def test_presets(name):
    (case,) = cases_of(product, scheme=name)
    assert schemes_of(case) == (SCHEMES[name].weight, SCHEMES[name].activation)
    assert case.scheme == name


def test_axes_come_on_top_of_a_preset():
    first, second = cases_of(product, scheme="w8a8", weight__calibration=["minmax", "mse"])
    assert first.scheme == "w8a8"
    assert second.scheme == "int8/per_channel/mse x int8/per_token"
    assert schemes_of(second) == (OperandScheme("int8", "per_channel", calibration="mse"), preset("w8a8").activation)


def test_axes_that_spell_a_preset_out_are_that_preset():
    axes = {"weight__format": "int4", "weight__granularity": "per_group:128", "activation__format": "int8"}
    (case,) = cases_of(product, **axes, activation__granularity="per_token")
    assert case.scheme == "w4a8_g128"


def test_format_none_leaves_an_operand_unquantized():
    first, second = cases_of(product, scheme="w8a8", activation__format=["int8", "none"])
    assert schemes_of(first) == (preset("w8a8").weight, preset("w8a8").activation)
    assert schemes_of(second) == (preset("w8a8").weight, None)
    assert second.scheme == "w8a16"


@pytest.mark.parametrize("name", SCHEMES)
def test_one_tensor_takes_a_preset_s_weight_side_and_its_name(name):
    (case,) = cases_of(tensor, scheme=name)
    assert schemes_of(case) == (SCHEMES[name].weight,)
    assert case.scheme == name


def test_presets_of_equal_weights_are_one_case_of_one_tensor():
    (case,) = cases_of(tensor, scheme=["w8a16", "w8a8"])
    assert case.scheme == "w8a16"


def test_a_preset_that_was_changed_is_spelled():
    (case,) = cases_of(tensor, scheme="w8a8", symmetric=False)
    assert case.scheme == "int8/per_channel/asymmetric"


def test_includes_add_and_take_the_matrix_s_kernels():
    include = [{"weight.format": "int4"}, {"kernel": "ort_matmul_integer", "weight.format": ["int5", "int6"]}]
    cases = planned(product(include=include))
    assert [(case.kernel, case.operands[0].scheme.format) for case in cases] == [
        ("reference", "int8"),
        ("reference", "int4"),
        ("ort_matmul_integer", "int5"),
        ("ort_matmul_integer", "int6"),
    ]


_TWO = [{"name": "llm.q", "m": 1, "n": 8, "k": 32}, {"name": "bev.a", "m": 1, "n": 8, "k": 32}]


def test_includes_on_some_shapes():
    include = [{"weight.format": "int4", "shape": ["b*", "nothing?", "llm.q"][:1]}]
    cases = planned(product(shapes=_TWO, include=include))
    assert [(case.shape.name, case.operands[0].scheme.format) for case in cases] == [
        ("llm.q", "int8"),
        ("bev.a", "int8"),
        ("bev.a", "int4"),
    ]


def test_the_same_combination_twice_is_one_case():
    include = [{"weight.format": "int8"}, {"kernel": "reference", "weight.format": ["int8", "int8"]}]
    assert len(planned(product(include=include))) == 1


_GRID = {
    "kernel": ["reference", "ort_matmul_integer"],
    "weight.format": ["int8", "int4"],
    "weight.symmetric": [True, False],
}
_EXCLUDES = {
    "kernel": ({"kernel": "reference"}, lambda kernel, scheme, shape: kernel == "reference"),
    "two axes": (
        {"weight.format": "int4", "weight.symmetric": False},
        lambda kernel, scheme, shape: scheme.format == "int4" and not scheme.symmetric,
    ),
    "kernel and axis": (
        {"kernel": "reference", "weight.format": "int4"},
        lambda kernel, scheme, shape: kernel == "reference" and scheme.format == "int4",
    ),
    "several values": ({"weight.format": ["int4", "int3"]}, lambda kernel, scheme, shape: scheme.format == "int4"),
    "shape": ({"shape": "llm.*"}, lambda kernel, scheme, shape: shape == "llm.q"),
    "shape and axis": (
        {"shape": ["x", "bev.a"][1:], "weight.symmetric": True},
        lambda kernel, scheme, shape: shape == "bev.a" and scheme.symmetric,
    ),
    "shape and kernel": (
        {"shape": "*", "kernel": "ort_matmul_integer"},
        lambda kernel, scheme, shape: kernel == "ort_matmul_integer",
    ),
    "default value": ({"weight.granularity": "per_tensor"}, lambda kernel, scheme, shape: True),
    "another value": ({"weight.granularity": "per_channel"}, lambda kernel, scheme, shape: False),
    "unquantized operand": ({"activation.format": "none"}, lambda kernel, scheme, shape: True),
    "axis of an unquantized operand": ({"activation.symmetric": True}, lambda kernel, scheme, shape: False),
}


@pytest.mark.parametrize("label", _EXCLUDES)
def test_excludes(label):
    entry, drops = _EXCLUDES[label]
    everything = planned(product(shapes=_TWO, matrix=_GRID))
    left = planned(product(shapes=_TWO, matrix=_GRID, exclude=[entry]))
    wanted = [case for case in everything if not drops(case.kernel, case.operands[0].scheme, case.shape.name)]
    assert left == tuple(wanted)


def test_several_excludes_drop_what_either_names():
    exclude = [{"weight.format": "int4"}, {"shape": "bev.a", "kernel": "reference"}]
    left = planned(product(shapes=_TWO, matrix=_GRID, exclude=exclude))
    assert {(case.shape.name, case.kernel, case.operands[0].scheme.format) for case in left} == {
        ("llm.q", "reference", "int8"),
        ("llm.q", "ort_matmul_integer", "int8"),
        ("bev.a", "ort_matmul_integer", "int8"),
    }


def test_exclude_by_preset():
    matrix = {"kernel": "reference", "scheme": ["w8a8", "w8a16", "mxfp4"]}
    assert [case.scheme for case in planned(product(matrix=matrix, exclude=[{"scheme": "w8a8"}]))] == ["w8a16", "mxfp4"]
    assert [case.scheme for case in planned(tensor(matrix=matrix, exclude=[{"scheme": "w8a8"}]))] == ["w8a16", "mxfp4"]
    assert [case.scheme for case in planned(tensor(matrix=matrix, exclude=[{"scheme": "w8a16"}]))] == ["w8a8", "mxfp4"]


def test_what_a_kernel_ignores_is_dropped_with_the_whole_combination():
    matrix = {"kernel": ["ort_f32", "reference"], "weight.format": ["int4", "int8"]}
    left = planned(product(matrix=matrix, exclude=[{"weight.format": "int4"}]))
    assert [(case.kernel, case.scheme) for case in left] == [("ort_f32", None), ("reference", "int8/per_tensor x none")]
    assert planned(product(matrix=matrix, exclude=[{"weight.format": ["int4", "int8"]}])) == ()


def test_axes_that_a_kernel_ignores_collapse_to_one_case_a_shape():
    axes = {"weight__format": ["int8", "int4"], "activation__format": ["int8", "none"]}
    cases = cases_of(product, kernel=["ort_f32", "cublas_f16"], **axes, more={"shapes": _TWO})
    assert [(case.kernel, case.shape.name) for case in cases] == [
        ("ort_f32", "llm.q"),
        ("cublas_f16", "llm.q"),
        ("ort_f32", "bev.a"),
        ("cublas_f16", "bev.a"),
    ]
    for case in cases:
        assert schemes_of(case) == (None, None)
        assert case.scheme is None
        assert case.name == f"gemm/{case.kernel}/{case.shape.name}[1x8x32]"


@pytest.fixture
def weight_only(monkeypatch):
    """A kernel that looks at the weight alone."""
    from harness import kernels

    spec = KernelSpec("weight_only", "gemm", "cpu", "kernel", "m:C", "", ignores=frozenset({"activation"}))
    rows = {**kernels._by_op_and_name(), ("gemm", "weight_only"): spec}
    from harness.suite import model

    monkeypatch.setattr(kernels, "_by_op_and_name", lambda: rows)
    for cached in (kernels.kernel_names, model.suite_model):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (kernels.kernel_names, model.suite_model):
        cached.cache_clear()


def test_one_operand_that_a_kernel_ignores(weight_only):
    cases = cases_of(product, kernel=["weight_only", "reference"], scheme=["w8a8", "w8a16", "w4a8_g128"])
    alone = [case for case in cases if case.kernel == "weight_only"]
    assert [case.scheme for case in alone] == ["w8a16", "int4/per_group:128 x none"]
    assert all(case.operands[1].scheme is None for case in alone)
    assert [case.scheme for case in cases if case.kernel == "reference"] == ["w8a8", "w8a16", "w4a8_g128"]


def test_the_baseline_is_added():
    cases = planned(product(baseline={"cuda": "cublas_f16", "cpu": "ort_f32"}))
    assert [case.kernel for case in cases] == ["ort_f32", "reference"]
    assert [case.baseline for case in cases] == [cases[0].case_id] * 2
    on_cuda = planned(product(baseline={"cuda": "cublas_f16", "cpu": "ort_f32"}), CUDA)
    assert [case.kernel for case in on_cuda] == ["cublas_f16", "reference"]


def test_the_baseline_is_listed_once():
    matrix = {"kernel": ["reference", "ort_f32"], "weight.format": ["int8", "int4"]}
    cases = planned(product(matrix=matrix, baseline={"cpu": "ort_f32"}))
    assert [case.kernel for case in cases] == ["ort_f32", "reference", "reference"]


def test_a_baseline_that_looks_at_the_scheme_has_a_case_for_each():
    cases = cases_of(
        product,
        kernel="ort_matmul_integer",
        weight__format=["int8", "int4"],
        activation__format="int8",
        more={"baseline": {"cpu": "reference"}},
    )
    assert [(case.kernel, case.operands[0].scheme.format) for case in cases] == [
        ("reference", "int8"),
        ("ort_matmul_integer", "int8"),
        ("reference", "int4"),
        ("ort_matmul_integer", "int4"),
    ]
    assert [case.baseline for case in cases] == [cases[0].case_id] * 2 + [cases[2].case_id] * 2


def test_no_baseline():
    assert [case.baseline for case in planned(product())] == [None]
    assert [case.baseline for case in planned(product(baseline={"cuda": "cublas_f16"}))] == [None]

"""Planning: what becomes a case, what is skipped and why, and what identifies a case."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from example_suites import CPU, CUDA, EXAMPLE, product, tensor, write

from harness.device import Device
from harness.kernels import ops
from harness.kernels.spec import KernelSpec
from harness.numerics.scheme import SCHEMES, OperandScheme, preset
from harness.plan import Case, plan
from harness.suite import load_suite

ROOT = Path(__file__).resolve().parent.parent


def _plan(suite: dict[str, Any], device: Device = CPU) -> tuple[Case, ...]:
    return plan(load_suite(suite), device)


def _schemes(case: Case) -> tuple[OperandScheme | None, ...]:
    return tuple(operand.scheme for operand in case.operands)


def _matrix(make, *, kernel: Any = "reference", device: Device = CPU, more: dict | None = None, **axes: Any):
    """Cases of a suite whose matrix has these axes; __ stands for the dot."""
    matrix = {"kernel": kernel, **{axis.replace("__", "."): values for axis, values in axes.items()}}
    return _plan(make(matrix=matrix, **(more or {})), device)


# --- the example ------------------------------------------------------------------------------------------------------


def test_the_documentation_s_example(tmp_path):
    cases = plan(load_suite(write(tmp_path, EXAMPLE)), CPU)
    shapes, schemes, activations = 7, 2 * 3 * 2 * 4, 2
    assert Counter(case.kernel for case in cases) == {
        "cublas_f16": shapes,
        "ort_f32": shapes,
        **dict.fromkeys(("dp4a", "wmma_s8", "ort_matmul_integer", "reference"), shapes * schemes * activations),
    }
    assert {case.skip for case in cases if case.backend == "cuda"} == {"needs the cuda backend"}
    assert all(case.skip is None for case in cases if case.kernel == "ort_f32")
    assert sum(case.skip is None for case in cases) > 500


def test_running_order_is_shape_by_shape_the_baseline_first(tmp_path):
    cases = plan(load_suite(write(tmp_path, EXAMPLE)), CPU)
    order = [case.shape for case in cases]
    assert order == sorted(order, key=list(dict.fromkeys(order)).index)
    for shape in dict.fromkeys(order):
        first = next(case for case in cases if case.shape == shape)
        assert first.kernel == "ort_f32"
        assert {case.baseline for case in cases if case.shape == shape} == {first.case_id}


def test_kernels_of_one_scheme_are_neighbours():
    cases = _matrix(product, kernel=["reference", "ort_matmul_integer"], weight__format=["int8", "int4"])
    assert [(case.kernel, case.operands[0].scheme.format) for case in cases] == [
        ("reference", "int8"),
        ("ort_matmul_integer", "int8"),
        ("reference", "int4"),
        ("ort_matmul_integer", "int4"),
    ]


# --- combinations -----------------------------------------------------------------------------------------------------


def test_axes_are_multiplied():
    cases = _matrix(tensor, format=["int8", "int4"], granularity=["per_tensor", "per_channel"], symmetric=[True, False])
    assert {_schemes(case) for case in cases} == {
        (OperandScheme(form, granularity, symmetric),)
        for form in ("int8", "int4")
        for granularity in ("per_tensor", "per_channel")
        for symmetric in (True, False)
    }
    assert len(cases) == 8


@pytest.mark.parametrize("name", SCHEMES)
def test_presets(name):
    (case,) = _matrix(product, scheme=name)
    assert _schemes(case) == (SCHEMES[name].weight, SCHEMES[name].activation)
    assert case.scheme == name


def test_axes_come_on_top_of_a_preset():
    first, second = _matrix(product, scheme="w8a8", weight__calibration=["minmax", "mse"])
    assert first.scheme == "w8a8"
    assert second.scheme == "int8/per_channel/mse x int8/per_token"
    assert _schemes(second) == (OperandScheme("int8", "per_channel", calibration="mse"), preset("w8a8").activation)


def test_axes_that_spell_a_preset_out_are_that_preset():
    axes = {"weight__format": "int4", "weight__granularity": "per_group:128", "activation__format": "int8"}
    (case,) = _matrix(product, **axes, activation__granularity="per_token")
    assert case.scheme == "w4a8_g128"


def test_format_none_leaves_an_operand_unquantized():
    first, second = _matrix(product, scheme="w8a8", activation__format=["int8", "none"])
    assert _schemes(first) == (preset("w8a8").weight, preset("w8a8").activation)
    assert _schemes(second) == (preset("w8a8").weight, None)
    assert second.scheme == "w8a16"


@pytest.mark.parametrize("name", SCHEMES)
def test_one_tensor_takes_a_preset_s_weight_side_and_its_name(name):
    (case,) = _matrix(tensor, scheme=name)
    assert _schemes(case) == (SCHEMES[name].weight,)
    assert case.scheme == name


def test_presets_of_equal_weights_are_one_case_of_one_tensor():
    (case,) = _matrix(tensor, scheme=["w8a16", "w8a8"])
    assert case.scheme == "w8a16"


def test_a_preset_that_was_changed_is_spelled():
    (case,) = _matrix(tensor, scheme="w8a8", symmetric=False)
    assert case.scheme == "int8/per_channel/asymmetric"


def test_includes_add_and_take_the_matrix_s_kernels():
    include = [{"weight.format": "int4"}, {"kernel": "ort_matmul_integer", "weight.format": ["int5", "int6"]}]
    cases = _plan(product(include=include))
    assert [(case.kernel, case.operands[0].scheme.format) for case in cases] == [
        ("reference", "int8"),
        ("reference", "int4"),
        ("ort_matmul_integer", "int5"),
        ("ort_matmul_integer", "int6"),
    ]


_TWO = [{"name": "llm.q", "m": 1, "n": 8, "k": 32}, {"name": "bev.a", "m": 1, "n": 8, "k": 32}]


def test_includes_on_some_shapes():
    include = [{"weight.format": "int4", "shape": ["b*", "nothing?", "llm.q"][:1]}]
    cases = _plan(product(shapes=_TWO, include=include))
    assert [(case.shape.name, case.operands[0].scheme.format) for case in cases] == [
        ("llm.q", "int8"),
        ("bev.a", "int8"),
        ("bev.a", "int4"),
    ]


def test_the_same_combination_twice_is_one_case():
    include = [{"weight.format": "int8"}, {"kernel": "reference", "weight.format": ["int8", "int8"]}]
    assert len(_plan(product(include=include))) == 1


_GRID = {"kernel": ["reference", "ort_matmul_integer"], "weight.format": ["int8", "int4"], "weight.symmetric": [True, False]}
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
    everything = _plan(product(shapes=_TWO, matrix=_GRID))
    left = _plan(product(shapes=_TWO, matrix=_GRID, exclude=[entry]))
    wanted = [case for case in everything if not drops(case.kernel, case.operands[0].scheme, case.shape.name)]
    assert left == tuple(wanted)


def test_several_excludes_drop_what_either_names():
    exclude = [{"weight.format": "int4"}, {"shape": "bev.a", "kernel": "reference"}]
    left = _plan(product(shapes=_TWO, matrix=_GRID, exclude=exclude))
    assert {(case.shape.name, case.kernel, case.operands[0].scheme.format) for case in left} == {
        ("llm.q", "reference", "int8"),
        ("llm.q", "ort_matmul_integer", "int8"),
        ("bev.a", "ort_matmul_integer", "int8"),
    }


def test_exclude_by_preset():
    matrix = {"kernel": "reference", "scheme": ["w8a8", "w8a16", "mxfp4"]}
    assert [case.scheme for case in _plan(product(matrix=matrix, exclude=[{"scheme": "w8a8"}]))] == ["w8a16", "mxfp4"]
    assert [case.scheme for case in _plan(tensor(matrix=matrix, exclude=[{"scheme": "w8a8"}]))] == ["w8a16", "mxfp4"]
    assert [case.scheme for case in _plan(tensor(matrix=matrix, exclude=[{"scheme": "w8a16"}]))] == ["w8a8", "mxfp4"]


def test_what_a_kernel_ignores_is_dropped_with_the_whole_combination():
    matrix = {"kernel": ["ort_f32", "reference"], "weight.format": ["int4", "int8"]}
    left = _plan(product(matrix=matrix, exclude=[{"weight.format": "int4"}]))
    assert [(case.kernel, case.scheme) for case in left] == [("ort_f32", None), ("reference", "int8/per_tensor x none")]
    assert _plan(product(matrix=matrix, exclude=[{"weight.format": ["int4", "int8"]}])) == ()


# --- baselines and what kernels ignore --------------------------------------------------------------------------------


def test_axes_that_a_kernel_ignores_collapse_to_one_case_a_shape():
    axes = {"weight__format": ["int8", "int4"], "activation__format": ["int8", "none"]}
    cases = _matrix(product, kernel=["ort_f32", "cublas_f16"], **axes, more={"shapes": _TWO})
    assert [(case.kernel, case.shape.name) for case in cases] == [
        ("ort_f32", "llm.q"),
        ("cublas_f16", "llm.q"),
        ("ort_f32", "bev.a"),
        ("cublas_f16", "bev.a"),
    ]
    for case in cases:
        assert _schemes(case) == (None, None)
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
    cases = _matrix(product, kernel=["weight_only", "reference"], scheme=["w8a8", "w8a16", "w4a8_g128"])
    alone = [case for case in cases if case.kernel == "weight_only"]
    assert [case.scheme for case in alone] == ["w8a16", "int4/per_group:128 x none"]
    assert all(case.operands[1].scheme is None for case in alone)
    assert [case.scheme for case in cases if case.kernel == "reference"] == ["w8a8", "w8a16", "w4a8_g128"]


def test_the_baseline_is_added():
    cases = _plan(product(baseline={"cuda": "cublas_f16", "cpu": "ort_f32"}))
    assert [case.kernel for case in cases] == ["ort_f32", "reference"]
    assert [case.baseline for case in cases] == [cases[0].case_id] * 2
    on_cuda = _plan(product(baseline={"cuda": "cublas_f16", "cpu": "ort_f32"}), CUDA)
    assert [case.kernel for case in on_cuda] == ["cublas_f16", "reference"]


def test_the_baseline_is_listed_once():
    matrix = {"kernel": ["reference", "ort_f32"], "weight.format": ["int8", "int4"]}
    cases = _plan(product(matrix=matrix, baseline={"cpu": "ort_f32"}))
    assert [case.kernel for case in cases] == ["ort_f32", "reference", "reference"]


def test_a_baseline_that_looks_at_the_scheme_has_a_case_for_each():
    cases = _matrix(
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
    assert [case.baseline for case in _plan(product())] == [None]
    assert [case.baseline for case in _plan(product(baseline={"cuda": "cublas_f16"}))] == [None]


# --- skips ------------------------------------------------------------------------------------------------------------


_SMALL = Device("cpu", "cpu", "test", "x86_64", 1 << 20)
_SKIPS = {
    "kl on small blocks": (tensor, {"format": "int8", "calibration": "kl", "granularity": "per_channel"}, "kl needs blocks of at least 2048 elements"),
    "kl on enough": (tensor, {"format": "int8", "calibration": "kl"}, None),
    "kl on a short last block": (
        product,
        {"weight__format": "int8", "weight__calibration": "kl", "weight__granularity": "per_group:4000"},
        "weight: kl needs blocks of at least 2048 elements",
    ),
    "kl on floats": (tensor, {"format": "fp8_e4m3", "calibration": "kl"}, "kl is defined for integer formats, not fp8_e4m3"),
    "kl with few bins": (tensor, {"format": "int8", "calibration": "kl:64"}, "kl needs more bins than the 256 levels of int8"),
    "asymmetric floats": (tensor, {"format": "fp4_e2m1", "symmetric": False}, "asymmetric needs an integer format, not fp4_e2m1"),
    "asymmetric binary": (tensor, {"format": "binary", "symmetric": False}, "asymmetric needs an integer format, not binary"),
    "narrow floats": (tensor, {"format": "nf4", "narrow_range": True}, "narrow_range needs a signed integer format, not nf4"),
    "narrow unsigned": (tensor, {"format": "uint8", "narrow_range": True}, "narrow_range needs a signed integer format, not uint8"),
    "dynamic mse": (tensor, {"format": "int8", "range": "dynamic", "calibration": "mse"}, "a dynamic range is minmax, not mse"),
    "of the activation": (
        product,
        {"weight__format": "int8", "activation__format": "fp8_e4m3", "activation__symmetric": False},
        "activation: asymmetric needs an integer format, not fp8_e4m3",
    ),
    "both: the first": (
        product,
        {"weight__format": "nf4", "weight__symmetric": False, "activation__format": "nf4", "activation__symmetric": False},
        "weight: asymmetric needs an integer format, not nf4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", _SKIPS)
def test_skipped_with_the_reason(label):
    make, axes, reason = _SKIPS[label]
    (case,) = _matrix(make, **axes)
    assert case.skip == reason


@pytest.mark.parametrize(
    ("shape", "memory", "reason"),
    [
        ({"m": 16, "n": 64, "k": 4096}, 16 * (16 + 64) * 4096 + 8 * 16 * 64, None),
        ({"m": 16, "n": 64, "k": 4096}, 16 * (16 + 64) * 4096 + 8 * 16 * 64 - 1, "needs about 0.0 GiB, cpu has 0.0"),
        ({"m": 65536, "n": 65536, "k": 16}, 8 << 30, "needs about 32.0 GiB, cpu has 8.0"),
        ({"m": 1, "n": 65536, "k": 65536}, 16 << 30, "needs about 64.0 GiB, cpu has 16.0"),
    ],
)
def test_too_large_for_the_memory(shape, memory, reason):
    device = dataclasses.replace(CPU, memory_bytes=memory)
    (case,) = _plan(product(shapes=[{"name": "a", **shape}]), device)
    assert case.skip == reason


def test_too_large_a_tensor():
    (case,) = _plan(tensor(shapes=[{"name": "a", "rows": 1 << 15, "cols": 1 << 15}]), _SMALL)
    assert case.skip == "needs about 16.0 GiB, cpu has 0.0"


def test_absent_backends_come_first_among_the_reasons():
    (case,) = _matrix(product, kernel="dp4a", weight__format="nf4", weight__symmetric=False)
    assert case.skip == "needs the cuda backend"
    assert case.backend == "cuda"
    (case,) = _matrix(product, kernel="ort_matmul_integer", weight__format="int8", device=CUDA)
    assert case.skip == "needs the cpu backend"


def test_a_kernel_without_an_implementation():
    (case,) = _matrix(product, kernel="dp4a", weight__format="int8", device=CUDA)
    assert case.skip == "this version has no dp4a"


def test_kernels_give_their_own_reasons():
    (case,) = _matrix(product, kernel="ort_matmul_integer", weight__format="int4", activation__format="int8")
    assert case.skip == "takes no weight of format int4"


def test_the_reference_runs_anywhere():
    for device in (CPU, CUDA):
        (case,) = _plan(product(), device)
        assert (case.skip, case.backend) == (None, device.backend)


# --- operands ---------------------------------------------------------------------------------------------------------


def test_operands_of_a_product():
    (case,) = _matrix(product, scheme="w8a8", more={"data": {"weight": {"distribution": "laplace"}}})
    weight, activation = case.operands
    assert (weight.role, weight.shape, weight.channel_axis) == ("weight", (64, 4096), 0)
    assert (activation.role, activation.shape, activation.channel_axis) == ("activation", (16, 4096), 1)
    assert (weight.source.label, activation.source.label) == ("laplace", "normal")


def test_operand_of_one_tensor():
    (case,) = _plan(tensor(shapes=[{"name": "a", "shape": [2, 3, 4, 5], "channel_axis": 2}]))
    (operand,) = case.operands
    assert (operand.role, operand.shape, operand.channel_axis) == ("tensor", (2, 3, 4, 5), 2)


def test_names():
    (case,) = _plan(tensor())
    assert case.name == "quantize/reference/a[64x128]/int8/per_tensor"
    (case,) = _plan(product())
    assert case.name == "gemm/reference/a[16x64x4096]/int8/per_tensor x none"


@pytest.mark.parametrize("op", ops.OPS)
def test_every_op_can_be_planned(op):
    make = tensor if ops.OPS[op].one_tensor else product
    (case,) = _plan(make(op=op))
    assert (case.op, case.skip) == (op, None)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_case_ids_that_nights_were_joined_on():
    """Never change these: every stored night would lose its history."""
    (case,) = _matrix(product, scheme="w4a8_g128", more={"data": {"weight": {"distribution": "normal", "std": 0.02}}})
    assert case.case_id == "PRODUCT"
    (case,) = _matrix(
        tensor, kernel="ort_quantize_linear", format="int8", granularity="per_channel", symmetric=False, calibration="mse"
    )
    assert case.case_id == "TENSOR"


def _ids(suite: dict[str, Any], device: Device = CPU) -> set[str]:
    return {case.case_id for case in _plan(suite, device)}


_BASE = {
    "matrix": {"kernel": ["reference", "ort_f32"], "scheme": ["w8a8", "mxfp4"]},
    "shapes": [{"name": "a", "m": [1, 16], "n": 64, "k": 256}, {"name": "b", "m": 4, "n": 8, "k": 32}],
}
_UNRELATED = {
    "description": {"description": "words"},
    "measure limits": {"measure": {"min_samples": 3, "max_time_s": 0.1}},
    "rows to check": {"reference_rows": 8},
    "baseline": {"baseline": {"cpu": "ort_f32"}},
    "shapes in another order": {"shapes": _BASE["shapes"][::-1]},
    "another shape": {"shapes": [{"name": "c", "m": 1, "n": 1, "k": 1}, *_BASE["shapes"]]},
    "another kernel": {"matrix": {"kernel": ["dp4a", "ort_f32", "reference"], "scheme": ["w8a8", "mxfp4"]}},
    "other combinations": {"include": [{"weight.format": "int3"}]},
    "schemes in another order": {"matrix": {"kernel": ["ort_f32", "reference"], "scheme": ["mxfp4", "w8a8"]}},
    "data that are written otherwise": {"data": {"weight": {"distribution": "normal", "std": 1.0, "mean": -0.0}}},
    "defaults that are spelled": {"seed": 0, "measure": {"l2": "cold", "mode": "burst"}},
    "a scheme that is spelled": {
        "matrix": {
            "kernel": ["reference", "ort_f32"],
            "weight.format": "int8",
            "weight.granularity": "per_channel",
            "activation.format": "int8",
            "activation.granularity": "per_token",
            "activation.calibration": "minmax",
        },
        "include": [{"scheme": "mxfp4"}],
    },
}


@pytest.mark.parametrize("label", _UNRELATED)
def test_case_ids_do_not_change_with(label):
    assert _ids(product(**_BASE)) <= _ids(product(**{**_BASE, **_UNRELATED[label]}))


def test_case_ids_do_not_change_with_the_device_or_the_file(tmp_path):
    assert _ids(product(**_BASE)) == _ids(product(**_BASE), CUDA)
    text = "name: small\nop: gemm\nshapes: [{name: a, m: 16, n: 64, k: 4096}]\nmatrix: {kernel: reference, weight.format: int8}\n"
    assert {case.case_id for case in plan(load_suite(write(tmp_path, text, "x.yml")), CPU)} == _ids(product())


_IDENTIFYING = {
    "suite's name": {"name": "other"},
    "seed": {"seed": 1},
    "data of the weight": {"data": {"weight": {"distribution": "laplace"}}},
    "a parameter": {"data": {"activation": {"distribution": "normal", "outlier_scale": 2, "outlier_channels": 0.1}}},
    "l2": {"measure": {"l2": "hot"}},
    "mode": {"measure": {"mode": "steady"}},
    "shape's name": {"shapes": [{"name": "b", "m": 16, "n": 64, "k": 4096}]},
    "m": {"shapes": [{"name": "a", "m": 15, "n": 64, "k": 4096}]},
    "n and k": {"shapes": [{"name": "a", "m": 16, "n": 4096, "k": 64}]},
    "shape's data": {"shapes": [{"name": "a", "m": 16, "n": 64, "k": 4096, "weight": {"distribution": "uniform"}}]},
    "kernel": {"matrix": {"kernel": "ort_matmul_integer", "weight.format": "int8"}},
    **{
        axis: {"matrix": {"kernel": "reference", "weight.format": "int8", axis: value}}
        for axis, value in {
            "weight.format": "int7",
            "weight.granularity": "per_channel",
            "weight.symmetric": False,
            "weight.calibration": "mse",
            "weight.scale_format": "e8m0",
            "weight.narrow_range": True,
            "weight.range": "dynamic",
            "activation.format": "int8",
        }.items()
    },
}


def test_case_ids_change_with_what_identifies_a_case():
    found = {label: _ids(product(**change)) for label, change in _IDENTIFYING.items()} | {"": _ids(product())}
    assert all(len(ids) == 1 for ids in found.values())
    assert len(set.union(*found.values())) == len(found)


def test_case_id_changes_with_op_shape_and_channel_axis():
    suites = [
        tensor(),
        tensor(op="dequantize"),
        tensor(shapes=[{"name": "a", "rows": 128, "cols": 64}]),
        tensor(shapes=[{"name": "a", "shape": [64, 128], "channel_axis": 1}]),
        tensor(shapes=[{"name": "a", "shape": [64, 2, 64]}]),
    ]
    assert len(set.union(*map(_ids, suites))) == len(suites)
    assert _ids(tensor()) == _ids(tensor(shapes=[{"name": "a", "shape": [64, 128]}]))


def test_case_ids_do_not_depend_on_the_order_of_keys():
    suite = product(**_BASE, data={"weight": {"distribution": "uniform", "low": 0, "high": 2}}, include=[{"weight.format": "int3", "weight.symmetric": False}])
    for seed in range(5):
        assert _ids(_shuffled(suite, random.Random(seed))) == _ids(suite)


def _shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(each, rng) for each in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    rng.shuffle(keys)
    return {key: _shuffled(value[key], rng) for key in keys}


def test_all_cases_differ(tmp_path):
    cases = plan(load_suite(write(tmp_path, EXAMPLE)), CPU)
    assert len({case.case_id for case in cases}) == len({case.name for case in cases}) == len(cases)


# --- purity -----------------------------------------------------------------------------------------------------------

_ALONE = """
import sys

NETWORK = ("ssl", "http.client", "urllib.request", "requests", "onnxruntime", "onnx", "pyarrow", "pandas")

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in NETWORK or name.split(".")[0] in NETWORK:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import harness.plan, harness.suite
from harness.device import Device

def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError("planning writes " + str(arguments[0]))
    if event.startswith(("socket.", "os.mkdir", "os.rename", "os.remove", "shutil.", "tempfile.", "subprocess.")):
        raise RuntimeError("planning does " + event)

sys.addaudithook(watch)
suite = harness.suite.load_suite(sys.argv[1])
cases = harness.plan.plan(suite, Device("cpu", "cpu", "test", "x86_64", 64 << 30, frozenset({"vnni", "avx2", "f16c"})))
print(suite)
for case in cases:
    print(case)
"""


def test_planning_is_pure_and_the_same_in_every_process(tmp_path):
    """No network, no device, nothing written, no large import; and no order of a hash table shows."""
    path = write(tmp_path, EXAMPLE + "# weights come from models\n")
    outputs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", "HARNESS_PLUGINS": ""}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, str(path)], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") > 2000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_planning_twice_is_the_same_and_leaves_the_suite_alone(tmp_path):
    suite = load_suite(write(tmp_path, EXAMPLE))
    before = repr(suite)
    assert plan(suite, CPU) == plan(suite, CPU)
    assert repr(suite) == before

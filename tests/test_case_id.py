"""What identifies a case: its id must not change with anything else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from example_suites import CPU, CUDA, EXAMPLE, cases_of, planned, product, tensor, write

from harness.device import Device
from harness.plan import plan
from harness.suite import load_suite


def test_case_ids_that_nights_were_joined_on():
    """Never change these: every stored night would lose its history."""
    (case,) = cases_of(product, scheme="w4a8_g128", more={"data": {"weight": {"distribution": "normal", "std": 0.02}}})
    assert case.case_id == "67eb377cc1c6d74ff740"
    (case,) = cases_of(
        tensor,
        kernel="ort_quantize_linear",
        format="int8",
        granularity="per_channel",
        symmetric=False,
        calibration="mse",
    )
    assert case.case_id == "8a0eb2a00e54b68e6c23"


def _ids(suite: dict[str, Any], device: Device = CPU) -> set[str]:
    return {case.case_id for case in planned(suite, device)}


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


def _of_type(dtype: Any) -> set[str]:
    return _ids(tensor(shapes=[{"name": "a", "rows": 64, "cols": 128, "dtype": dtype}]))


def test_case_id_changes_with_the_type_but_not_with_f32_spelled():
    """Cases from before there were types are cases of f32."""
    assert _of_type("f32") == _ids(tensor()) == {"39dde28f084d78adbe45"}
    assert len(_of_type("f32") | _of_type("f16") | _of_type("bf16")) == 3
    assert _of_type(["bf16", "f32", "f16"]) == _of_type("f32") | _of_type("f16") | _of_type("bf16")


def test_case_ids_do_not_depend_on_the_order_of_keys():
    suite = product(
        **_BASE,
        data={"weight": {"distribution": "uniform", "low": 0, "high": 2}},
        include=[{"weight.format": "int3", "weight.symmetric": False}],
    )
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

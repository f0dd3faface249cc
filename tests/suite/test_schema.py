"""The JSON Schema: valid, agrees with the loader, and says what editors show."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from example_suites import EXAMPLE, PRODUCT, TENSOR, product, tensor
from jsonschema import Draft202012Validator

from harness.data.synthetic import DISTRIBUTIONS
from harness.errors import SuiteError
from harness.kernels import kernel_names
from harness.kernels.ops import OPS
from harness.numerics.formats import FORMATS
from harness.numerics.granularity import GRANULARITIES
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import CALIBRATIONS, RANGES, SCHEMES
from harness.suite import json_schema, load_suite
from harness.suite.model import AXES, EPILOGUE_AXES, axis_names

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def _problems(suite: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(suite)]


def _definition(name: str) -> dict[str, Any]:
    return SCHEMA["$defs"][name]


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert json_schema() == SCHEMA


def test_every_reference_leads_somewhere():
    for reference in _all(SCHEMA, "$ref"):
        assert reference.removeprefix("#/$defs/") in SCHEMA["$defs"]
    assert not _all(SCHEMA, "x-shared")


def _all(value: Any, key: str) -> list[Any]:
    if isinstance(value, list):
        return [found for each in value for found in _all(each, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [found for inner in value.values() for found in _all(inner, key)]


@pytest.mark.parametrize("path", sorted((ROOT / "suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_suites_of_the_catalogue(path):
    assert _problems(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("text", [EXAMPLE, PRODUCT, TENSOR], ids=["example", "product", "tensor"])
def test_examples(text):
    assert _problems(yaml.safe_load(text)) == []


def _changed(make: Any, *path: Any, to: Any = None) -> dict[str, Any]:
    suite = copy.deepcopy(make())
    *holders, last = path
    target = suite
    for step in holders:
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    if to is None:
        del target[last]
    else:
        target[last] = to
    return suite


LISTED = ["reference", "ort_f32"]
GOOD = {
    "single values": _changed(product, "matrix", "kernel", to="reference"),
    "lists": _changed(product, "matrix", "kernel", to=LISTED),
    "none": _changed(product, "matrix", "weight.format", to="none"),
    "preset": _changed(tensor, "matrix", to={"kernel": "reference", "scheme": "mxfp4"}),
    "granularity": _changed(tensor, "matrix", "granularity", to=["per_block:128x*", "per_group:8", "per_token"]),
    "calibration": _changed(
        tensor, "matrix", "calibration", to=["kl", "kl:64", "percentile:99.9", "fixed:1e-3", "mse"]
    ),
    "include": _changed(product, "include", to=[{"weight.format": "int4", "shape": ["a", "b*"]}]),
    "exclude": _changed(product, "exclude", to=[{"kernel": "reference"}, {"shape": "a"}]),
    "data": _changed(product, "data", "weight", to={"distribution": "student_t", "df": 3, "outlier_scale": 2}),
    "model": _changed(product, "shapes", to=[{"name": "a", "m": 1, "weight": "model:m/l", "activation": "captured"}]),
    "file": _changed(product, "data", "weight", to={"file": "x.npz#k"}),
    "shape": _changed(tensor, "shapes", to=[{"name": "a", "shape": [1, 2, 3], "channel_axis": 1}]),
    "dtype": _changed(tensor, "shapes", 0, "dtype", to="f16"),
    "dtypes": _changed(tensor, "shapes", 0, "dtype", to=["f32", "bf16"]),
    "dtypes of a product": _changed(product, "shapes", 0, "dtype", to=["f32", "bf16"]),
    "real tensor": _changed(tensor, "shapes", to=[{"name": "a", "tensor": "captured:m/l"}]),
    "measure": _changed(tensor, "measure", to={"l2": "hot", "mode": "steady", "min_samples": 1, "max_time_s": 0.5}),
    "baseline": _changed(product, "baseline", to={"cuda": "cublas_f16", "cpu": "reference"}),
}
BAD = {
    "top-level key": _changed(product, "mesure", to={}),
    "no name": _changed(product, "name"),
    "no op": _changed(product, "op"),
    "no shapes": _changed(product, "shapes"),
    "no matrix": _changed(product, "matrix"),
    "op": _changed(product, "op", to="gem"),
    "name": _changed(product, "name", to="a/b"),
    "seed": _changed(product, "seed", to=-1),
    "kernel": _changed(product, "matrix", "kernel", to="referense"),
    "kernel of another op": _changed(product, "matrix", "kernel", to=["ort_qdq"]),
    "no kernel": _changed(product, "matrix", "kernel"),
    "axis": _changed(product, "matrix", "format", to="int8"),
    "format": _changed(product, "matrix", "weight.format", to=["int9"]),
    "format none of one tensor": _changed(tensor, "matrix", "format", to="none"),
    "no format of one tensor": _changed(tensor, "matrix", "format"),
    "granularity": _changed(product, "matrix", "weight.granularity", to="per_group:0"),
    "calibration": _changed(product, "matrix", "weight.calibration", to="percentile"),
    "calibration with more": _changed(product, "matrix", "weight.calibration", to="minmax:3"),
    "scale format": _changed(product, "matrix", "weight.scale_format", to="e8m1"),
    "preset": _changed(product, "matrix", "scheme", to="w8a9"),
    "flag": _changed(product, "matrix", "weight.symmetric", to="true"),
    "empty list": _changed(product, "matrix", "weight.format", to=[]),
    "empty shapes": _changed(product, "shapes", to=[]),
    "no m": _changed(product, "shapes", 0, "m"),
    "m zero": _changed(product, "shapes", 0, "m", to=0),
    "m float": _changed(product, "shapes", 0, "m", to=[1.5]),
    "shape key": _changed(product, "shapes", 0, "rows", to=3),
    "rows alone": _changed(tensor, "shapes", 0, "cols"),
    "rows and shape": _changed(tensor, "shapes", 0, "shape", to=[64, 128]),
    "five axes": _changed(tensor, "shapes", to=[{"name": "a", "shape": [1, 1, 1, 1, 1]}]),
    "channel_axis": _changed(tensor, "shapes", 0, "channel_axis", to=4),
    "dtype": _changed(tensor, "shapes", 0, "dtype", to="fp16"),
    "dtype of a product": _changed(product, "shapes", 0, "dtype", to="fp16"),
    "distribution": _changed(product, "data", "weight", to={"distribution": "norml"}),
    "parameter": _changed(product, "data", "weight", to={"distribution": "normal", "df": 1}),
    "parameter's type": _changed(product, "data", "weight", to={"distribution": "normal", "std": "1"}),
    "data": _changed(product, "data", "weight", to="normal"),
    "role": _changed(tensor, "data", "weight", to={"distribution": "normal"}),
    "baseline's backend": _changed(product, "baseline", to={"rocm": "reference"}),
    "baseline of another backend": _changed(product, "baseline", to={"cpu": "cublas_f16"}),
    "measure key": _changed(product, "measure", to={"min_sample": 3}),
    "l2": _changed(product, "measure", to={"l2": "warm"}),
    "time": _changed(product, "measure", to={"max_time_s": 0}),
    "include's axis": _changed(product, "include", to=[{"format": "int4"}]),
}


@pytest.mark.parametrize("label", GOOD)
def test_good_suites(label):
    assert _problems(GOOD[label]) == []
    if label not in ("model", "file", "real tensor", "include"):  # these need real data, or another shape
        load_suite(GOOD[label])


@pytest.mark.parametrize("label", BAD)
def test_bad_suites_fail_here_as_they_do_when_loaded(label):
    assert _problems(BAD[label])
    with pytest.raises(SuiteError):
        load_suite(BAD[label])


def test_enums_hold_every_name():
    assert set(_definition("element_format")["enum"]) == set(FORMATS)
    assert set(_definition("operand_format")["enum"]) == {*FORMATS, "none"}
    assert set(_definition("scale_format")["enum"]) == set(SCALE_FORMATS)
    assert set(_definition("preset")["enum"]) == set(SCHEMES)
    assert set(_definition("range")["enum"]) == set(RANGES)
    assert SCHEMA["properties"]["op"]["enum"] == list(OPS)
    for op in OPS:
        assert set(_definition(f"kernel_of_{op}")["enum"]) == set(kernel_names(op))
    distributions = [
        each["properties"].get("distribution", {}).get("const")
        for each in _definition("data")["anyOf"]
        if "properties" in each
    ]
    assert {name for name in distributions if name} == set(DISTRIBUTIONS)


def test_values_are_explained():
    for name in ("element_format", "scale_format", "preset", "range"):
        definition = _definition(name)
        assert len(definition["enumDescriptions"]) == len(definition["enum"])
        assert all(definition["enumDescriptions"])


def test_patterns_take_every_kind_and_its_examples():
    for name, kinds in (("granularity", GRANULARITIES), ("calibration", CALIBRATIONS)):
        validator = Draft202012Validator(_definition(name))
        examples = _definition(name)["examples"]
        assert {each.partition(":")[0] for each in examples} == {kind.partition(":")[0] for kind in kinds}
        assert all(validator.is_valid(example) for example in examples)
        assert not validator.is_valid("per_thing")


@pytest.mark.parametrize("op", OPS)
def test_keys_and_axes_are_described(op):
    title = op.title().replace("_", "")
    keys = _definition(f"{title}Suite")["properties"]
    assert set(keys) == set(SCHEMA["properties"])
    for name, properties in {
        "keys": keys,
        "top": SCHEMA["properties"],
        "matrix": _definition(f"{title}Matrix")["properties"],
        "entry": _definition(f"{title}Entry")["properties"],
        "measure": _definition("MeasureModel")["properties"],
        "baseline": _definition(f"{title}Baseline")["properties"],
        "data": _definition(f"{title}Data")["properties"],
        "shape": _definition("TensorShape" if OPS[op].one_tensor else "GemmShape")["properties"],
    }.items():
        assert all(each.get("description") for each in properties.values()), name
    assert tuple(_definition(f"{title}Matrix")["properties"]) == axis_names(OPS[op])
    epilogue = len(EPILOGUE_AXES) if op == "gemm" else 0
    assert len(axis_names(OPS[op])) == 2 + len(AXES) * len(OPS[op].roles) + epilogue


def test_null_is_nowhere_accepted():
    assert "null" not in _all(SCHEMA, "type")
    assert None not in _all(SCHEMA, "default")

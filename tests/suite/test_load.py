"""Suites that load: from files and mappings, in canonical form."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_suites import EXAMPLE, TENSOR, product, tensor, write

from harness.data.source import CapturedActivation, ModelTensor, Synthetic
from harness.suite import Include, Measure, Shape, load_suite


def test_the_documentation_s_example(tmp_path):
    suite = load_suite(write(tmp_path, EXAMPLE))
    assert (suite.name, suite.op, suite.seed, suite.reference_rows) == ("gemm", "gemm", 0, 256)
    assert suite.description == "Quantized matrix products on LLM and bird's-eye-view shapes"
    assert [shape.extents for shape in suite.shapes] == [
        (1, 6144, 4096),
        (16, 6144, 4096),
        (4096, 6144, 4096),
        (64, 480, 480),
        (1024, 480, 480),
        (1, 384, 1536),
        (64, 384, 1536),
    ]
    normal = Synthetic("normal", (("std", 0.02),))
    outliers = Synthetic("normal", (("outlier_channels", 0.01), ("outlier_scale", 20.0)))
    layer = ("rapidocr-rec", "conv2d_184")
    assert suite.shapes[0] == Shape("llama3_8b.qkv", (1, 6144, 4096), (("weight", normal), ("activation", outliers)))
    assert dict(suite.shapes[3].sources) == {"weight": ModelTensor(*layer), "activation": CapturedActivation(*layer)}
    assert suite.matrix[0] == (
        "kernel",
        ("cublas_f16", "dp4a", "wmma_s8", "ort_f32", "ort_matmul_integer", "reference"),
    )
    assert dict(suite.matrix)["weight.symmetric"] == (True, False)
    assert suite.include == suite.exclude == ()
    assert dict(suite.baseline) == {"cuda": "cublas_f16", "cpu": "ort_f32"}
    assert suite.measure == Measure("cold", "burst", min_samples=50, max_time_s=2.0)


def test_a_file_and_a_mapping_say_the_same(tmp_path):
    path = write(
        tmp_path,
        "name: small\nop: gemm\nshapes: [{name: a, m: 16, n: 64, k: 4096}]\nmatrix: {kernel: reference, weight.format: int8}\n",
    )
    assert load_suite(path) == load_suite(str(path)) == load_suite(product())


def test_single_values_stand_for_lists():
    lists = product(
        shapes=[{"name": "a", "m": [16], "n": [64], "k": [64]}],
        matrix={"kernel": ["reference"], "weight.format": ["int8"], "weight.symmetric": [False]},
        include=[{"weight.format": ["int4"], "shape": ["a"]}],
    )
    single = product(
        shapes=[{"name": "a", "m": 16, "n": 64, "k": 64}],
        matrix={"kernel": "reference", "weight.format": "int8", "weight.symmetric": False},
        include=[{"weight.format": "int4", "shape": "a"}],
    )
    assert load_suite(single) == load_suite(lists)


def test_values_are_kept_in_their_canonical_form_and_once():
    matrix = {
        "kernel": "reference",
        "format": ["int8", "int4", "int8"],
        "granularity": ["per_block:*x64", "per_group:32"],
        "calibration": ["kl:2048", "kl", "percentile:99.90", "percentile:99.9", "fixed:3.50", "fixed:1e1"],
    }
    axes = dict(load_suite(tensor(matrix=matrix)).matrix)
    assert axes["format"] == ("int8", "int4")
    assert axes["granularity"] == ("per_block:*x64", "per_group:32")
    assert axes["calibration"] == ("kl", "percentile:99.9", "fixed:3.5", "fixed:10")


def test_entries():
    suite = load_suite(
        product(
            include=[{"weight.format": ["int4", "none"], "shape": "a*"}, {"kernel": "ort_f32"}],
            exclude=[{"weight.format": "int8", "kernel": "reference"}, {"shape": "?"}],
        )
    )
    assert suite.include == (
        Include((("weight.format", ("int4", "none")),), ("a*",)),
        Include((("kernel", ("ort_f32",)),)),
    )
    assert suite.exclude == (
        Include((("kernel", ("reference",)), ("weight.format", ("int8",)))),
        Include((), ("?",)),
    )


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("yes", True), ("on", True), ("false", False), ("no", False), ("off", False)]
)
def test_booleans(tmp_path, word, value):
    path = write(tmp_path, TENSOR + f"  symmetric: {word}\n")
    assert dict(load_suite(path).matrix)["symmetric"] == (value,)


def test_numbers_that_yaml_1_1_does_not_know(tmp_path):
    suite = load_suite(
        write(tmp_path, TENSOR + "data: {tensor: {distribution: normal, std: 1e-3}}\nmeasure: {max_time_s: 1e1}\n")
    )
    assert suite.shapes[0].sources == (("tensor", Synthetic("normal", (("std", 0.001),))),)
    assert suite.measure.max_time_s == 10.0


def test_text_that_yaml_1_1_takes_for_a_number(tmp_path):
    path = write(
        tmp_path, TENSOR.replace("name: a,", "name: 1:30,") + '  granularity: [per_group:128, "per_group:64"]\n'
    )
    suite = load_suite(path)
    assert suite.shapes[0].name == "1:30"
    assert dict(suite.matrix)["granularity"] == ("per_group:128", "per_group:64")


def test_paths_start_from_the_suite_s_folder(tmp_path, monkeypatch):
    import numpy as np

    np.save(tmp_path / "x.npy", np.ones((4, 6), np.float32))
    path = write(tmp_path, TENSOR.replace("rows: 4, cols: 8", 'tensor: "file:x.npy"'))
    monkeypatch.chdir(Path("/"))
    suite = load_suite(path)
    assert suite.shapes[0].extents == (4, 6)
    assert suite.shapes[0].sources[0][1].label == "file:x.npy"

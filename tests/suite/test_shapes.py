"""Extents and data of shapes: lists multiply, real tensors bring their own extents, files are measured."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import product, tensor

from harness.data.source import CapturedActivation, FileTensor, ModelTensor, Synthetic, load
from harness.errors import SuiteError
from harness.suite import load_suite

LAYER = "rapidocr-rec/conv2d_184"


def _shapes(make, *shapes, **more):
    return load_suite(make(shapes=list(shapes), **more)).shapes


def _extents(make, *shapes, **more):
    return [shape.extents for shape in _shapes(make, *shapes, **more)]


def test_lists_of_a_product_multiply():
    entry = {"name": "a", "m": [1, 2], "n": [3, 4], "k": [5, 6]}
    found = _extents(product, entry)
    assert set(found) == {(m, n, k) for m in (1, 2) for n in (3, 4) for k in (5, 6)}
    assert found[:3] == [(1, 3, 5), (2, 3, 5), (1, 3, 6)]


def test_lists_of_a_tensor_multiply():
    assert _extents(tensor, {"name": "a", "rows": [1, 2], "cols": [3, 4]}) == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_types_multiply_innermost():
    found = _shapes(tensor, {"name": "a", "rows": [1, 2], "cols": 3, "dtype": ["bf16", "f32"]})
    assert [(shape.extents, shape.dtype) for shape in found] == [
        ((1, 3), "bf16"),
        ((1, 3), "f32"),
        ((2, 3), "bf16"),
        ((2, 3), "f32"),
    ]


@pytest.mark.parametrize(
    ("given", "types"),
    [
        ({}, ["f32"]),
        ({"dtype": "f16"}, ["f16"]),
        ({"dtype": ["f16"]}, ["f16"]),
        ({"dtype": ["f16", "bf16", "f16"]}, ["f16", "bf16"]),
    ],
)
@pytest.mark.parametrize("extents", [{"rows": 4, "cols": 8}, {"shape": [2, 3, 4]}, {"tensor": f"model:{LAYER}"}])
def test_types_of_a_tensor(given, types, extents):
    assert [shape.dtype for shape in _shapes(tensor, {"name": "a", **extents, **given})] == types


def test_types_of_a_product_multiply_innermost():
    entry = {"name": "a", "m": [1, 2], "n": 2, "k": 3}
    assert [shape.dtype for shape in _shapes(product, entry)] == ["f32", "f32"]
    found = _shapes(product, {**entry, "dtype": ["f32", "bf16"]})
    assert [shape.label for shape in found] == ["a[1x2x3]", "a[1x2x3,bf16]", "a[2x2x3]", "a[2x2x3,bf16]"]


@pytest.mark.parametrize(("dtype", "label"), [("f32", "a[2x3x4]"), ("f16", "a[2x3x4,f16]"), ("bf16", "a[2x3x4,bf16]")])
def test_labels_name_every_type_but_f32(dtype, label):
    assert [shape.label for shape in _shapes(tensor, {"name": "a", "shape": [2, 3, 4], "dtype": dtype})] == [label]


def test_equal_shapes_are_one():
    assert _extents(tensor, {"name": "a", "rows": [2, 2], "cols": 3}, {"name": "a", "rows": 2, "cols": 3}) == [(2, 3)]


def test_default_data_is_normal_and_shapes_override_it():
    laplace = {"distribution": "laplace"}
    first, second = _shapes(
        product,
        {"name": "a", "m": 1, "n": 2, "k": 3},
        {"name": "b", "m": 1, "n": 2, "k": 3, "weight": {"distribution": "uniform"}},
        data={"weight": laplace},
    )
    assert dict(first.sources) == {"weight": Synthetic("laplace"), "activation": Synthetic("normal")}
    assert dict(second.sources) == {"weight": Synthetic("uniform"), "activation": Synthetic("normal")}


def test_a_real_weight_brings_n_and_k():
    entry = {"name": "a", "m": [1, 7], "weight": f"model:{LAYER}"}
    assert _extents(product, entry) == [(1, 480, 480), (7, 480, 480)]
    assert _extents(product, {**entry, "n": 480, "k": [480]}) == [(1, 480, 480), (7, 480, 480)]


def test_captured_is_the_input_of_the_weight_beside_it():
    entry = {"name": "a", "m": 4096, "weight": f"model:{LAYER}", "activation": "captured"}
    assert dict(_shapes(product, entry)[0].sources)["activation"] == CapturedActivation(*LAYER.split("/"))


def test_captured_may_be_the_default_where_every_weight_has_a_capture():
    entry = {"name": "a", "m": 16, "weight": f"model:{LAYER}"}
    shape = _shapes(product, entry, data={"activation": "captured"})[0]
    assert shape.sources[1][1].label == f"captured:{LAYER}"


def test_real_tensors_bring_their_shape():
    found = _shapes(
        tensor,
        {"name": "weight", "tensor": f"model:{LAYER}"},
        {"name": "as a matrix", "tensor": "model:rapidocr-rec/conv2d_10"},
        {"name": "as stored", "tensor": "model:rapidocr-rec/conv2d_10", "shape": [16, 3, 3, 3], "channel_axis": 3},
        {"name": "grouped", "tensor": "model:rapidocr-rec/conv2d_157"},
        {"name": "input", "tensor": f"captured:{LAYER}"},
        {"name": "some rows", "tensor": f"captured:{LAYER}", "rows": 10, "cols": 480},
    )
    assert [shape.extents for shape in found] == [
        (480, 480),
        (16, 27),
        (16, 3, 3, 3),
        (16, 9),
        (4096, 480),
        (10, 480),
    ]
    assert found[0].sources == (("tensor", ModelTensor(*LAYER.split("/"))),)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, shape in {
        "matrix": (6, 8),
        "vector": (5,),
        "scalar": (),
        "none": (0, 4),
        "five": (1, 1, 1, 1, 2),
    }.items():
        np.save(f"{name}.npy", np.ones(shape, np.float32))
    return tmp_path


def test_files_bring_their_shape(files):
    assert _extents(tensor, {"name": "a", "tensor": "file:matrix.npy"}) == [(6, 8)]
    assert _extents(tensor, {"name": "a", "tensor": {"file": "vector.npy"}}) == [(5,)]
    shape = _shapes(product, {"name": "a", "m": [2, 6], "weight": "file:matrix.npy", "activation": "file:matrix.npy"})[
        0
    ]
    assert shape.extents == (2, 6, 8)
    assert all(isinstance(source, FileTensor) for _, source in shape.sources)


@pytest.mark.parametrize(
    ("make", "entry", "message"),
    [
        (tensor, {"tensor": "file:scalar.npy"}, "a tensor has 1 to 4 axes (got 0)"),
        (tensor, {"tensor": "file:five.npy"}, "a tensor has 1 to 4 axes (got 5)"),
        (tensor, {"tensor": "file:none.npy"}, "must hold elements (got shape [0, 4])"),
        (tensor, {"tensor": "file:absent.npy"}, "the file must exist (got nothing at"),
        (tensor, {"tensor": "file:matrix.npy", "rows": 8, "cols": 6}, "has shape [6, 8] (got [8, 6])"),
        (tensor, {"tensor": "file:vector.npy", "channel_axis": 1}, "must be an axis of the tensor, below 1 (got 1)"),
        (
            product,
            {"m": 1, "weight": "file:vector.npy"},
            "a weight has two axes, n and k (got file:vector.npy of shape [5])",
        ),
        (product, {"m": 1, "n": 6, "k": 5, "activation": "file:vector.npy"}, "an activation is [m, 5] here"),
        (
            product,
            {"m": 7, "n": 6, "k": 8, "activation": "file:matrix.npy"},
            "must be at most 6, the rows of file:matrix.npy",
        ),
    ],
)
def test_files_that_do_not_fit(files, make, entry, message):
    with pytest.raises(SuiteError) as caught:
        load_suite(make(shapes=[{"name": "a", **entry}]))
    assert message in str(caught.value)


def test_a_file_that_claims_an_absurd_shape(files):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 4), }" % 10**40
    (files / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(SuiteError, match=r"^<mapping>:1:1: shapes\.0\.tensor: "):
        load_suite(tensor(shapes=[{"name": "a", "tensor": "file:x.npy"}]))


def test_what_is_accepted_can_be_loaded(files):
    """Extents that pass here must not fail when the data are read."""
    suite = load_suite(
        product(shapes=[{"name": "a", "m": 3, "weight": "file:matrix.npy", "activation": "file:matrix.npy"}])
    )
    m, n, k = suite.shapes[0].extents
    for role, source in suite.shapes[0].sources:
        extents = (n, k) if role == "weight" else (m, k)
        assert load(source, extents, seed=0, role=role, shape_name="a").shape == extents

"""Layers of an ONNX graph: which nodes count, and what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from onnx_models import save

from harness.data.onnx_graph import as_float32, constants_of, layers_of, read_onnx
from harness.errors import DataError

SQUARE = np.eye(4, dtype=np.float32)


def names(path: Path) -> list[str]:
    return [layer.name for layer in layers_of(read_onnx(path))]


@pytest.mark.parametrize(
    ("weight", "node", "expected"),
    [
        ("conv2d_184.w_0", "n", "conv2d_184"),
        ("features.0.weight", "n", "features.0"),
        ("decoder/linear/weight", "n", "decoder/linear"),
        ("dense_weight", "n", "dense"),
        ("kernel", "n", "kernel"),
        (".weight", "n", ".weight"),
        ("onnx::MatMul_12", "/encoder/MatMul", "/encoder/MatMul"),
        ("onnx::MatMul_12", "", "onnx::MatMul_12"),
        ("123", "node", "node"),
    ],
)
@pytest.mark.parametrize("as_constants", [False, True])
def test_names(tmp_path: Path, weight: str, node: str, expected: str, as_constants: bool) -> None:
    matmul = make_node("MatMul", ["x", weight], ["y"], name=node)
    path = save(tmp_path / "m.onnx", [matmul], {"x": [None, 4]}, {weight: SQUARE}, as_constants=as_constants)
    assert names(path) == [expected]


def test_a_shared_weight_gets_numbered_names(tmp_path: Path) -> None:
    nodes = [
        make_node("MatMul", ["x", "w"], ["a"]),
        make_node("Identity", ["w"], ["copy"]),
        make_node("MatMul", ["a", "copy"], ["b"]),
        make_node("MatMul", ["b", "w"], ["y"]),
    ]
    assert names(save(tmp_path / "m.onnx", nodes, {"x": [None, 4]}, {"w": SQUARE})) == ["w", "copy", "w:2"]


def test_what_is_no_layer(tmp_path: Path) -> None:
    nodes = [
        make_node("MatMul", ["x", "x"], ["a"]),  # no weight
        make_node("MatMul", ["w", "a"], ["b"]),  # the weight comes first
        make_node("MatMul", ["b", "batched"], ["c"]),  # not one matrix
        make_node("MatMul", ["w", "w"], ["d"]),  # constant altogether
        make_node("Add", ["c", "d"], ["y"]),
    ]
    weights = {"w": SQUARE, "batched": np.stack([SQUARE, SQUARE])}
    assert names(save(tmp_path / "m.onnx", nodes, {"x": [4, 4]}, weights)) == []


def test_float16_weights_become_float32(tmp_path: Path) -> None:
    node = make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": [4, 4]}, {"w": SQUARE.astype(np.float16), "i": np.array([1])})
    constants = constants_of(read_onnx(path))
    assert as_float32("w", constants["w"]).dtype == np.float32
    with pytest.raises(DataError, match="i: must hold floating-point numbers"):
        as_float32("i", constants["i"])


@pytest.mark.parametrize("data", [b"", b"not a model at all", b"\x89PNG\r\n\x1a\n" + bytes(50), bytes(100)])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"m\.onnx: must be an ONNX model"):
        read_onnx(path)


def test_a_cut_model_is_refused(tmp_path: Path) -> None:
    node = make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": [4, 4]}, {"w": SQUARE})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="must be an ONNX model"):
        read_onnx(path)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got nothing there"):
        read_onnx(tmp_path / "m.onnx")
    with pytest.raises(DataError, match="got a folder"):
        read_onnx(tmp_path)


def test_external_data(tmp_path: Path) -> None:
    node = make_node("MatMul", ["x", "w"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": [4, 4]}, {"w": SQUARE})
    onnx.save_model(onnx.load(str(path)), str(path), save_as_external_data=True, location="data", size_threshold=0)
    (layer,) = layers_of(read_onnx(path))
    assert np.array_equal(as_float32("w", layer.weight), SQUARE)
    (tmp_path / "data").unlink()
    with pytest.raises(DataError, match="external data must lie beside it"):
        read_onnx(path)

"""Captured inputs times weights are the layers' outputs, whatever the layer's geometry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx.helper import make_node
from onnx_models import save
from safetensors.numpy import load_file

from harness.data import capture as module
from harness.data.capture import capture, save_capture
from harness.data.weights import READERS, to_weight
from harness.errors import DataError

RNG = np.random.default_rng(0)


def random(*shape: int) -> NDArray[np.float32]:
    return RNG.standard_normal(shape, dtype=np.float32)


def run(path: Path, feed: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    return np.asarray(
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, dict(feed))[0]
    )


def product(path: Path, captured: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """rows @ weight.T of the only layer of a model."""
    (layer,) = READERS["onnx"].layers(path)
    weight = to_weight(layer, READERS["onnx"].load(path, layer.tensor))
    assert weight.matrix.shape == layer.matrix
    return np.asarray(captured[layer.name] @ weight.matrix.T)


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9, 11), (4, 3, 1, 1), {}),
    ((2, 3, 9, 11), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((2, 3, 9, 11), (4, 3, 3, 3), {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ((2, 3, 12, 11), (4, 3, 3, 2), {"strides": [2, 3], "dilations": [3, 2], "pads": [2, 1, 0, 3]}),
    ((2, 3, 9, 11), (4, 3, 2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((2, 3, 9, 11), (4, 3, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    ((2, 3, 9, 11), (4, 3, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    ((2, 3, 9), (4, 3, 3), {"strides": [2], "pads": [1, 1]}),
    ((2, 3, 6, 7, 5), (4, 3, 2, 3, 2), {"strides": [2, 1, 1], "pads": [0, 1, 0, 1, 1, 0]}),
]


@pytest.mark.parametrize(("shape", "weight", "attributes"), CONVOLUTIONS)
def test_convolution(
    tmp_path: Path, shape: tuple[int, ...], weight: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    node = make_node("Conv", ["x", "c.weight", "b"], ["y"], **attributes)
    weights = {"c.weight": random(*weight), "b": random(weight[0])}
    path = save(tmp_path / "m.onnx", [node], {"x": [None, *shape[1:]]}, weights)
    feed = {"x": random(*shape)}
    expected = np.moveaxis(run(path, feed), 1, -1).reshape(-1, weight[0])
    got = product(path, capture(path, [feed])) + weights["b"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (2, 3, 4, 7), (7,)])
@pytest.mark.parametrize("as_constants", [False, True])
def test_matmul(tmp_path: Path, shape: tuple[int, ...], as_constants: bool) -> None:
    node = make_node("MatMul", ["x", "l.w_0"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": shape}, {"l.w_0": random(7, 6)}, as_constants=as_constants)
    feed = {"x": random(*shape)}
    np.testing.assert_allclose(
        product(path, capture(path, [feed])), run(path, feed).reshape(-1, 6), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(tmp_path: Path, trans_a: int, trans_b: int) -> None:
    node = make_node("Gemm", ["x", "g.weight", "b"], ["y"], transA=trans_a, transB=trans_b)
    weights = {"g.weight": random(*((6, 7) if trans_b else (7, 6))), "b": random(6)}
    shape = (7, 5) if trans_a else (5, 7)
    path = save(tmp_path / "m.onnx", [node], {"x": shape}, weights)
    feed = {"x": random(*shape)}
    got = product(path, capture(path, [feed])) + weights["b"]
    np.testing.assert_allclose(got, run(path, feed), rtol=1e-5, atol=1e-5)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """conv 3x3 - relu - depthwise - conv 1x1 - flattening matmul, height and width free."""
    nodes = [
        make_node("Conv", ["x", "first.w_0"], ["a"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["a"], ["b"]),
        make_node("Conv", ["b", "depthwise.w_0"], ["c"], group=4),
        make_node("Conv", ["c", "second.w_0"], ["d"]),
        make_node("GlobalAveragePool", ["d"], ["e"]),
        make_node("Flatten", ["e"], ["f"]),
        make_node("MatMul", ["f", "head.w_0"], ["y"]),
    ]
    weights = {
        "first.w_0": random(4, 3, 3, 3),
        "depthwise.w_0": random(4, 1, 3, 3),
        "second.w_0": random(5, 4, 1, 1),
        "head.w_0": random(5, 2),
    }
    return save(tmp_path / "net.onnx", nodes, {"x": ["n", 3, "h", "w"]}, weights)


def test_whole_network(network: Path) -> None:
    feeds = [{"x": random(1, 3, 8, 9)}, {"x": random(2, 3, 5, 6)}]
    captured = capture(network, feeds)
    assert {name: rows.shape for name, rows in captured.items()} == {
        "first": (72 + 60, 27),
        "second": (6 * 7 + 2 * 3 * 4, 4),
        "head": (3, 5),
    }
    assert all(rows.dtype == np.float32 and rows.flags.c_contiguous for rows in captured.values())
    assert list(capture(network, feeds, layers=["head"])) == ["head"]


def test_rows_are_a_seeded_sample_in_order(network: Path) -> None:
    feeds = [{"x": random(1, 3, 8, 9)} for _ in range(5)]
    whole = capture(network, feeds)["first"]
    some = capture(network, feeds, max_rows=100)["first"]
    positions = [int(np.flatnonzero((whole == row).all(axis=1))[0]) for row in some]
    assert len(some) == 100 and positions == sorted(set(positions))
    assert max(positions) >= 288 and min(positions) < 72, "every feed has its share"
    assert np.array_equal(some, capture(network, feeds, max_rows=100)["first"])
    assert not np.array_equal(some, capture(network, feeds, max_rows=100, seed=1)["first"])
    assert np.array_equal(whole, capture(network, feeds, max_rows=360)["first"])


def test_a_sample_is_uniform(network: Path) -> None:
    feeds = [{"x": np.full((1, 3, 8, 9), value, np.float32)} for value in range(1, 5)]
    counts = np.zeros(4)
    for seed in range(60):
        centre = capture(network, feeds, layers=["first"], max_rows=20, seed=seed)["first"][:, 13]
        counts += np.histogram(centre, bins=[0.5, 1.5, 2.5, 3.5, 4.5])[0]
    assert counts.sum() == 1200 and np.abs(counts - 300).max() < 60


def test_large_models_go_through_a_file(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = [{"x": random(1, 3, 8, 9)}]
    expected = capture(network, feeds)
    monkeypatch.setattr(module, "PROTOBUF_LIMIT", 1)
    got = capture(network, feeds)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize("feed", [{"x": np.zeros((1, 3, 8, 8), np.float32)}])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, r"the feed must have x \(got nothing\); inputs: x float32 \[n, 3, h, w\]"),
        ({"z": np.zeros(1)}, "has no input 'z'"),
        ({"x": np.zeros((1, 4, 8, 8), np.float32)}, r"x must be float32 \[n, 3, h, w\] \(got float32 \[1, 4, 8, 8\]\)"),
        ({"x": np.zeros((3, 8, 8), np.float32)}, r"x must be float32 .*got float32 \[3, 8, 8\]"),
        ({"x": np.zeros((1, 3, 8, 8))}, r"x must be float32 .*got float64"),
        ({"x": np.zeros((1, 3, 1, 1), np.float32)}, r"must run on the feed x \[1, 3, 1, 1\]"),
    ],
)
def test_feeds_that_do_not_fit(network: Path, feed: dict[str, Any], change: dict[str, Any], message: str) -> None:
    changed = {name: array for name, array in {**feed, **change}.items() if array is not None}
    with pytest.raises(DataError, match=message):
        capture(network, [changed])


def test_requests_that_are_refused(network: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one feed"):
        capture(network, [])
    with pytest.raises(DataError, match="no layer 'frist'; did you mean first"):
        capture(network, [], layers=["frist"])
    with pytest.raises(DataError, match="depthwise must have groups=1"):
        capture(network, [], layers=["depthwise"])
    with pytest.raises(DataError, match="max_rows must be 1 or more"):
        capture(network, [], max_rows=0)
    relu = save(tmp_path / "relu.onnx", [make_node("Relu", ["x"], ["y"])], {"x": [1]}, {})
    with pytest.raises(DataError, match="must have a Conv, MatMul or Gemm layer"):
        capture(relu, [])


def test_save_capture(network: Path, tmp_path: Path) -> None:
    captured = capture(network, [{"x": random(1, 3, 8, 9)}])
    save_capture(tmp_path / "c.safetensors", captured)
    save_capture(tmp_path / "c.npz", captured)
    for loaded in (load_file(tmp_path / "c.safetensors"), dict(np.load(tmp_path / "c.npz"))):
        assert loaded.keys() == captured.keys()
        assert all(np.array_equal(loaded[name], captured[name]) for name in captured)
    with pytest.raises(DataError, match=r"must end in \.safetensors or \.npz"):
        save_capture(tmp_path / "c.bin", captured)
    for name in ("c.npz", "c.safetensors"):
        with pytest.raises(DataError, match="must be writable"):
            save_capture(tmp_path / "nowhere" / name, captured)

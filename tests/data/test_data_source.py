"""What a suite says of its data, and the tensors that come of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data import captured
from harness.data.files import FileTensor
from harness.data.source import (
    CapturedActivation,
    DataSource,
    ModelTensor,
    captured_for,
    load,
    parse_source,
    required_models,
    source_shape,
)
from harness.data.synthetic import Synthetic, generate
from harness.errors import DataError

CAPTURED = CapturedActivation("rapidocr-rec", "conv2d_184")


def fetch(source: DataSource, *shape: int, role: str = "activation", seed: int = 0) -> NDArray[np.float32]:
    return load(source, shape, seed=seed, role=role, shape_name="layer")


@pytest.mark.parametrize(
    ("value", "expected", "label"),
    [
        ({"distribution": "normal", "std": 0.5}, Synthetic("normal", (("std", 0.5),)), "normal(std=0.5)"),
        ("model:minilm-l6/pooler.dense", ModelTensor("minilm-l6", "pooler.dense"), "model:minilm-l6/pooler.dense"),
        (
            "model:minilm-l6/pooler.dense.weight",
            ModelTensor("minilm-l6", "pooler.dense"),
            "model:minilm-l6/pooler.dense",
        ),
        (
            "model:whisper-tiny/decoder/layer_3/ffn/linear_1",
            ModelTensor("whisper-tiny", "decoder/layer_3/ffn/linear_1"),
            "model:whisper-tiny/decoder/layer_3/ffn/linear_1",
        ),
        ("file:a/b.npz#w", FileTensor("a/b.npz", "w", str(Path.cwd())), "file:a/b.npz#w"),
        ({"file": "a/b.npy"}, FileTensor("a/b.npy", None, str(Path.cwd())), "file:a/b.npy"),
    ],
)
def test_parse(value: Any, expected: DataSource, label: str) -> None:
    source = parse_source(value)
    assert source == expected and source.label == label
    assert parse_source(value) == source and hash(source) == hash(expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("normal", "must be `model:NAME/LAYER`.*got 'normal'"),
        ("models:x/y", "must be `model:NAME/LAYER`"),
        ("captured", "`captured` needs the weight"),
        ("model:minilm/x", "did you mean minilm-l6"),
        ("model:minilm-l6", "has no layer ''"),
        ("model:minilm-l6/pooler.dens", "did you mean pooler.dense"),
        ("file:a.pt", "must end in"),
        ({"file": "a.npy", "std": 1}, r"takes no other keys \(got std\)"),
        ({"file": 3}, "must be text"),
        ({"std": 1}, r"must have `distribution` or `file` \(got std\)"),
        ({}, r"got nothing"),
        (3, "got 3"),
        (None, "got None"),
    ],
)
def test_what_is_no_data(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_source(value)


def test_captured_for() -> None:
    assert captured_for(ModelTensor("rapidocr-rec", "conv2d_184")) == CAPTURED
    assert CAPTURED.label == "captured:rapidocr-rec/conv2d_184"
    with pytest.raises(DataError, match="needs a weight of the form"):
        captured_for(Synthetic("normal"))
    for model, tensor in [("minilm-l6", "pooler.dense"), ("rapidocr-rec", "conv2d_181")]:
        with pytest.raises(DataError, match="cannot be captured"):
            captured_for(ModelTensor(model, tensor))


def test_source_shape_and_required_models(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.zeros((3, 5), np.float32))
    cases: list[tuple[DataSource, tuple[int, ...] | None, tuple[str, ...]]] = [
        (Synthetic("normal"), None, ()),
        (FileTensor("t.npy", base=str(tmp_path)), (3, 5), ()),
        (ModelTensor("rapidocr-rec", "linear_77"), (360, 120), ("rapidocr-rec",)),
        (CAPTURED, (4096, 480), ("rapidocr-rec", "sample-images")),
    ]
    for source, shape, models in cases:
        assert source_shape(source) == shape and required_models(source) == models


def test_synthetic() -> None:
    expected = generate(Synthetic("laplace"), (4, 8), 3, "weight", "layer")
    assert np.array_equal(fetch(Synthetic("laplace"), 4, 8, role="weight", seed=3), expected)


def test_files(tmp_path: Path) -> None:
    values = np.arange(40, dtype=np.float32).reshape(10, 4)
    np.save(tmp_path / "t.npy", values)
    source = parse_source({"file": "t.npy"}, base=tmp_path)
    assert np.array_equal(fetch(source, 10, 4, role="tensor"), values)
    assert np.array_equal(fetch(source, 10, 4), values)
    some, more = fetch(source, 3, 4), fetch(source, 7, 4)
    assert np.array_equal(some, more[:3]), "a smaller m is the beginning of a larger one"
    assert len({tuple(row) for row in more} & {tuple(row) for row in values}) == 7
    assert not np.array_equal(some, fetch(source, 3, 4, seed=1))
    with pytest.raises(DataError, match=r"layer: m must be at most 10, the rows of file:t.npy \(got 11\)"):
        fetch(source, 11, 4)
    for shape, role in [((3, 4), "weight"), ((10, 5), "activation"), ((40,), "tensor")]:
        with pytest.raises(DataError, match=r"layer: file:t.npy must have shape .*\(got \[10, 4\]"):
            fetch(source, *shape, role=role)


def test_captured_rows_are_a_seeded_permutation(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(100, dtype=np.float32).reshape(50, 2)
    monkeypatch.setattr(captured, "captured_activation", lambda *_, **__: rows)
    whole = fetch(CAPTURED, 50, 2)
    assert sorted(whole[:, 0]) == sorted(rows[:, 0]) and not np.array_equal(whole, rows)
    assert np.array_equal(fetch(CAPTURED, 8, 2), whole[:8])
    assert not np.array_equal(fetch(CAPTURED, 50, 2, seed=1), whole)
    with pytest.raises(DataError, match=r"m must be at most 50, the rows of captured:\S+ \(got 51\)"):
        fetch(CAPTURED, 51, 2)
    with pytest.raises(DataError, match="must have shape"):
        fetch(CAPTURED, 8, 3)


def test_model_weights(pulled: Callable[..., list[Path]]) -> None:
    pulled("rapidocr-rec")
    source = parse_source("model:rapidocr-rec/conv2d_145")
    matrix, stored = fetch(source, 60, 2880, role="weight"), fetch(source, 60, 960, 1, 3, role="tensor")
    assert np.array_equal(matrix, stored.reshape(60, 2880)) and matrix.flags.c_contiguous
    with pytest.raises(DataError, match=r"must have shape \[60, 960\] \(got \[60, 2880\]"):
        fetch(source, 60, 960)


def test_planning_imports_no_onnx() -> None:
    code = (
        "import sys; from harness.data.source import *; import numpy as np;"
        "source = parse_source({'distribution': 'normal'}); parse_source('model:minilm-l6/pooler.dense');"
        "load(source, (2, 2), seed=0, role='weight', shape_name='a');"
        "assert not {'onnx', 'onnxruntime'} & set(sys.modules), 'slow imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

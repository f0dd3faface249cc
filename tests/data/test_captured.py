"""Captures of the known models: cached, checked, and like what the layers really see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from scipy import stats

from harness.data import captured, models
from harness.data.capture import run_with_inputs
from harness.data.captured import captured_activation, captured_rows
from harness.data.index import layer_names, tensor_info
from harness.data.onnx_graph import layers_of, read_onnx
from harness.data.recipes import RECIPES
from harness.errors import DataError

Pulled = Callable[..., list[Path]]


def test_captures_match_the_index(pulled: Pulled) -> None:
    pulled("rapidocr-rec", "rapidocr-det", "sample-images")
    for model in ("rapidocr-rec", "rapidocr-det"):
        rows = captured_rows(model)
        products = {name for name in layer_names(model) if tensor_info(model, name).is_product}
        assert rows.keys() == products and max(rows.values()) == captured.CAPTURE_ROWS
        assert captured._capture_path(models.MODELS[model]).stat().st_size < 150e6


def test_a_captured_activation(pulled: Pulled) -> None:
    pulled("rapidocr-rec", "sample-images")
    rows = captured_activation("rapidocr-rec", "conv2d_184")
    assert rows.shape == (4096, 480) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert np.array_equal(rows, captured_activation("rapidocr-rec", "conv2d_184.w_0", offline=True))
    assert stats.kurtosis(rows, axis=None) > 10


def test_depthwise_input_is_heavy_tailed(pulled: Pulled) -> None:
    """The reference figures of this input are kurtosis 236, max/std 33 and max/median channel 20, on other images."""
    path, folder = pulled("rapidocr-rec", "sample-images")
    model = read_onnx(path)
    layer = [layer for layer in layers_of(model) if layer.name == "conv2d_181"]
    feed = next(RECIPES["text-lines"].feeds(folder))
    (activations,) = run_with_inputs(path, model, layer, [feed])
    values = np.asarray(activations[layer[0].input], np.float64)
    channels = np.abs(values).max(axis=(0, 2, 3))
    assert 100 < stats.kurtosis(values, axis=None) < 600
    assert 20 < np.abs(values).max() / values.std() < 80
    assert 8 < channels.max() / np.median(channels) < 50


def test_the_recognition_feed_is_read_as_text(pulled: Pulled) -> None:
    """Wrong scaling, channel order or crops would make the network see noise, and its activations with it."""
    path, folder = pulled("rapidocr-rec", "sample-images")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    letters = ["", *session.get_modelmeta().custom_metadata_map["character"].splitlines(), " "]
    feed = next(RECIPES["text-lines"].feeds(folder))
    best = np.asarray(session.run(None, feed)[0])[5].argmax(axis=-1)
    kept = [int(code) for code, before in zip(best, [0, *best], strict=False) if code not in (0, before)]
    assert "".join(letters[code] for code in kept) == "segmentation"


def test_the_detection_feed_finds_text(pulled: Pulled) -> None:
    path, folder = pulled("rapidocr-det", "sample-images")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = next(RECIPES["photographs"].feeds(folder))
    assert feed["x"].shape == (1, 3, 192, 384)
    text = np.asarray(session.run(None, feed)[0])[0, 0] > 0.3
    heading, gap, first_line = text[22:27], text[32:48], text[54:62]
    assert heading.mean() > 0.4 and first_line.mean() > 0.4 and gap.mean() < 0.05


def test_a_damaged_capture_is_made_again(
    pulled: Pulled, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[str] = []

    def small(
        path: Path, feeds: object, *, max_rows: int
    ) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        calls.append(str(path))
        return {"conv2d_184": np.ones((5, 480), np.float32)}

    monkeypatch.setattr(captured, "capture", small)
    monkeypatch.setattr(captured, "pull", lambda name, **_: tmp_path / name)
    lines: list[str] = []
    first = captured_activation("rapidocr-rec", "conv2d_184", progress=lines.append)
    (file,) = (empty_cache / "captures").iterdir()
    assert len(calls) == 1 and "capturing" in lines[0] and "1 layers" in lines[1]
    data = file.read_bytes()
    for damage in (data[:-1], data[:-1] + b"\1", b""):
        file.write_bytes(damage)
        assert np.array_equal(first, captured_activation("rapidocr-rec", "conv2d_184"))
    assert len(calls) == 4
    captured_activation("rapidocr-rec", "conv2d_184")
    assert len(calls) == 4 and file.read_bytes() == data and list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("model", "tensor", "message"),
    [
        ("minilm-l6", "pooler.dense", "models with one: rapidocr-rec, rapidocr-det"),
        ("rapidocr-rec", "conv2d_181", r"only a layer with groups=1 .*got 480 groups"),
        ("rapidocr-rec", "conv2d_999", "did you mean"),
        ("rapidocr", "conv2d_184", "did you mean rapidocr-"),
    ],
)
def test_what_cannot_be_captured(model: str, tensor: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        captured_activation(model, tensor, offline=True)


def test_offline_without_a_capture(empty_cache: Path) -> None:
    with pytest.raises(DataError, match="rapidocr-rec is not in the cache"):
        captured_activation("rapidocr-rec", "conv2d_184", offline=True)

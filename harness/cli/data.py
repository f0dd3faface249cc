"""``harness data``: real tensors, fetched and captured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from harness.cli.console import errors, output, table
from harness.errors import DataError, did_you_mean

app = typer.Typer(
    help="Real tensors: pull models, list their layers, capture activations.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say(message: str) -> None:
    errors.print(message, markup=False, soft_wrap=True)


@app.command("pull")
def pull(
    models: Annotated[list[str] | None, typer.Argument(help="Models or assets; all when left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what the cache has.")] = False,
) -> None:
    """Fetch models into the cache and check their hashes.

    **Examples**

    - `harness data pull`

    - `harness data pull minilm-l6 --force`
    """
    from harness.data.models import ASSETS, MODELS
    from harness.data.models import pull as fetch

    known = [*MODELS, *ASSETS]
    failures = []
    for name in models or known:
        if name not in known:
            raise DataError(f"data pull: must name a model or asset (got {name!r}); {did_you_mean(name, known)}")
        try:
            _say(f"{name}: {fetch(name, force=force, progress=_say)}")
        except DataError as error:
            _say(f"error: {error}")
            failures.append(name)
    if failures:
        raise DataError(f"data pull: {len(failures)} could not be had ({', '.join(failures)}); see the messages above")


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Argument(help="List this model's layers.")] = None,
) -> None:
    """List models and what the cache has of them, or the layers of one model as suites name them.

    **Examples**

    - `harness data list`

    - `harness data list rapidocr-rec`
    """
    from harness.data.index import layer_names, tensor_info
    from harness.data.models import ASSETS, MODELS, Asset, Model, is_cached

    if model is None:
        made = table("models and assets", "name", "cached", "licence", "package", "what it is")
        rows: list[Model | Asset] = [*MODELS.values(), *ASSETS.values()]
        for row in rows:
            cached = "yes" if is_cached(row.name) else "no"
            made.add_row(row.name, cached, row.licence, row.package.requirement, row.description)
        output.print(made)
        return
    made = table(f"layers of {model}", "data in suites", "matrix [n, k]", "kind", "captured rows")
    for name in layer_names(model):
        info = tensor_info(model, name)
        shape = " × ".join(map(str, info.matrix)) if info.is_product else "– (grouped)"
        made.add_row(escape(f"model:{model}/{name}"), shape, info.kind, str(info.captured_rows or "–"))
    output.print(made)


@app.command("capture")
def capture(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    feeds: Annotated[list[str], typer.Option("--input", help="name=file.npy, one for each input of the model.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to: .npz or .safetensors.")],
    layer: Annotated[list[str] | None, typer.Option(help="Only these layers; repeatable.")] = None,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows kept a layer.")] = 16384,
    seed: Annotated[int, typer.Option(help="Chooses the rows.")] = 0,
) -> None:
    """Run an ONNX model and keep the inputs of its linear and convolution layers, for suites to read with `file:`.

    **Examples**

    - `harness data capture model.onnx --input x=images.npy -o acts.safetensors`

    - in a suite: `activation: "file:acts.safetensors#LAYER"`
    """
    from harness.data.capture import capture as run_capture
    from harness.data.capture import save_capture

    captured = run_capture(model, [_feed(feeds)], layers=layer, max_rows=max_rows, seed=seed)
    save_capture(out, captured)
    made = table(f"{len(captured)} layers in {out}", "data in suites", "rows", "k", right=("rows", "k"))
    for name, rows in captured.items():
        made.add_row(escape(f"file:{out}#{name}"), str(rows.shape[0]), str(rows.shape[1]))
    output.print(made)


def _feed(pairs: list[str]) -> dict[str, Any]:
    import numpy as np

    feed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals:
            raise DataError(f"--input: must be name=file.npy (got {pair!r}); write x=images.npy, say")
        try:
            feed[name] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"--input: must be a .npy file of numbers (got {path!r}: {error}); check the file"
            ) from None
    return feed

"""``harness list``: what suites may name. One row of LISTS per list."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import output, table

Rows = Sequence[tuple[str, ...]]


class What(StrEnum):
    """The lists there are."""

    KERNELS = "kernels"
    FORMATS = "formats"
    SCHEMES = "schemes"
    GRANULARITIES = "granularities"
    CALIBRATIONS = "calibrations"
    DISTRIBUTIONS = "distributions"
    MODELS = "models"
    METRICS = "metrics"
    SUITES = "suites"


@dataclass(frozen=True)
class Listing:
    """Columns of one list and where its rows come from (imported only when asked for)."""

    columns: tuple[str, ...]
    rows: Callable[[], Rows]


def _kernels() -> Rows:
    from harness.backends import BACKENDS
    from harness.kernels import all_kernels

    def here(backend: str | None, entry: str) -> str:
        return "yes" if entry and (backend is None or BACKENDS[backend].absence() is None) else "no"

    return [(k.op, k.name, k.backend or "any", k.role, here(k.backend, k.entry), k.doc) for k in all_kernels()]


def _formats() -> Rows:
    from harness.numerics.formats import FORMATS
    from harness.numerics.scales import SCALE_FORMATS

    elements = [(f.name, "element", str(f.bits), f"{f.largest:g}", f.doc) for f in FORMATS.values()]
    return elements + [(s.name, "scale", str(s.bits), f"{s.maximum:g}", s.doc) for s in SCALE_FORMATS.values()]


def _schemes() -> Rows:
    from harness.numerics.scheme import SCHEMES

    return [
        (s.name, s.weight.label if s.weight else "–", s.activation.label if s.activation else "–", s.doc)
        for s in SCHEMES.values()
    ]


def _granularities() -> Rows:
    from harness.numerics.granularity import GRANULARITIES

    return list(GRANULARITIES.items())


def _calibrations() -> Rows:
    from harness.numerics.scheme import CALIBRATIONS

    return [(c.name, c.doc) for c in CALIBRATIONS.values()]


def _distributions() -> Rows:
    from harness.data.synthetic import DISTRIBUTIONS

    return [(d.name, ", ".join(f"{p.name}={p.default:g}" for p in d.parameters), d.doc) for d in DISTRIBUTIONS.values()]


def _models() -> Rows:
    from harness.data.index import layer_names
    from harness.data.models import MODELS, is_cached

    return [
        (
            m.name,
            m.package.requirement,
            m.licence,
            str(len(layer_names(m.name))),
            "yes" if is_cached(m.name) else "no",
            m.description,
        )
        for m in MODELS.values()
    ]


def _metrics() -> Rows:
    from harness.numerics.metrics import METRICS

    return [(m.name, m.unit, m.better, m.label) for m in METRICS.values()]


def _suites() -> Rows:
    from harness.errors import SuiteError
    from harness.suite import load_suite

    rows: list[tuple[str, ...]] = []
    for path in sorted(Path("suites").glob("*.yaml")):
        try:
            suite = load_suite(path)
            rows.append((str(path), suite.op, str(len(suite.shapes)), suite.description))
        except SuiteError as error:
            rows.append((str(path), "–", "–", f"refused: {str(error).splitlines()[0]}"))
    return rows


LISTS: dict[What, Listing] = {
    What.KERNELS: Listing(("op", "kernel", "backend", "role", "here", "what it is"), _kernels),
    What.FORMATS: Listing(("format", "kind", "bits", "largest", "what it is"), _formats),
    What.SCHEMES: Listing(("scheme", "weight", "activation", "what it is"), _schemes),
    What.GRANULARITIES: Listing(("granularity", "what shares a scale"), _granularities),
    What.CALIBRATIONS: Listing(("calibration", "what it is"), _calibrations),
    What.DISTRIBUTIONS: Listing(("distribution", "parameters", "what it is"), _distributions),
    What.MODELS: Listing(("model", "package", "licence", "layers", "cached", "what it is"), _models),
    What.METRICS: Listing(("metric", "unit", "better", "what it is"), _metrics),
    What.SUITES: Listing(("suite", "op", "shapes", "description"), _suites),
}


def list_(
    what: Annotated[What, typer.Argument(help="Which list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what suites may name.

    **Examples**

    - `harness list kernels`

    - `harness list formats --json`
    """
    listing = LISTS[what]
    rows = listing.rows()
    if as_json:
        print(json.dumps([dict(zip(listing.columns, row, strict=True)) for row in rows], indent=2))
        return
    made = table(f"{what} ({len(rows)})", *listing.columns)
    for row in rows:
        made.add_row(*map(escape, row))
    output.print(made)
    if what is What.SUITES and not rows:
        output.print("no suites/*.yaml below this folder; run from the checkout")

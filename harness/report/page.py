"""Records → site: its pages, the data of their figures, and Plotly once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from plotly.offline import get_plotlyjs

from harness.history.annotations import Annotation
from harness.history.model import History
from harness.numerics.error_histogram import COLUMN as HISTOGRAM
from harness.report.accuracy_figures import SAME_CASE
from harness.report.case_data import distributions, groups, histograms
from harness.report.figures import FIGURES, Drawing, Drawings, FigureSpec, draw
from harness.report.install import check_target, install
from harness.report.over_time import compare_data, history_data, history_of, regressions, side_of
from harness.report.overview import overview
from harness.report.script import assignment
from harness.report.table import FILTERS, table
from harness.report.tidy import recommendable, tidy

TEMPLATES = Path(__file__).parent / "templates"
PLOTLY = "plotly.min.js"


@dataclass(frozen=True)
class PageSpec:
    """One page: ``name`` is its file's, ``template`` makes it; pages that are ``listed`` stand in the navigation."""

    name: str
    title: str
    description: str
    template: str
    listed: bool = True


PAGES: tuple[PageSpec, ...] = (
    PageSpec("index", "Overview", "What was run, how it ended, and what came out on top.", "index.html.j2"),
    PageSpec(
        "accuracy", "Accuracy", "Error against the unquantized result, by scheme, data and block.", "figures.html.j2"
    ),
    PageSpec(
        "performance",
        "Performance",
        "Time and throughput of the kernels, and what accuracy they leave.",
        "figures.html.j2",
    ),
    PageSpec(
        "history", "History", "How the times of each case went, run by run, and where they changed.", "history.html.j2"
    ),
    PageSpec("compare", "Compare", "Two runs side by side: nights, commits, devices.", "compare.html.j2"),
    PageSpec("records", "Records", "Every record: search, filter, sort, download.", "records.html.j2"),
    PageSpec("case", "Case", "One case: its figures, its timing samples, how to run it again.", "case.html.j2", False),
)
_PARTS = (
    "report.css",
    "address.js",
    "text.js",
    "filters.js",
    "plots.js",
    "columns.js",
    "table.js",
    "siblings.js",
    "panel.js",
    "history_page.js",
    "compare_page.js",
)
"""Style sheet and scripts."""


@dataclass(frozen=True)
class Site:
    """A built site."""

    index: Path
    pages: tuple[Path, ...]
    records: int


@dataclass(frozen=True)
class Panel:
    """A figure on a page. ``absent`` says why none of its drawings exists; it is empty where there is one."""

    name: str
    title: str
    description: str
    split: tuple[str, ...]
    filters: bool
    drawings: tuple[Drawing, ...]
    left_out: int
    absent: str


@dataclass(frozen=True)
class Choice:
    """A drop-down for all figures of a page; ``default`` is chosen at first."""

    name: str
    label: str
    values: tuple[str, ...]
    default: str


_PAGE_CHOICES: tuple[tuple[str, str], ...] = (("op", "Operation"), ("device_label", "Device"))


def build_site(
    records: pd.DataFrame,
    out: Path,
    *,
    samples: pd.DataFrame | None = None,
    title: str = "Quantization results",
    annotations: Sequence[Annotation] = (),
) -> Site:
    """Write the site of ``records`` (one row a case, columns as documented under Results) to the folder ``out``.

    ``samples`` are their timing samples (columns of ``read_samples``), shown on the pages of cases; ``annotations`` the changes of level that were accepted.

    The same records give the same files. An earlier site in ``out`` is replaced; other files there are left alone.

    Raises:
        StoreError: ``out`` is a file or a folder of something else, cannot be written, or a column has a wrong type.
    """
    check_target(out)
    install(out, site_files(records, samples=samples, title=title, annotations=annotations))
    pages = tuple(out / f"{page.name}.html" for page in PAGES)
    return Site(index=pages[0], pages=pages, records=len(records))


def site_files(
    records: pd.DataFrame, *, samples: pd.DataFrame | None, title: str, annotations: Sequence[Annotation] = ()
) -> dict[str, str]:
    """The files of the site, path within it → text."""
    frame = tidy(records.drop(columns=HISTOGRAM, errors="ignore"))
    side = side_of(frame)
    history = history_of(side, annotations)
    panels = {page.name: _panels(page.name, frame) for page in PAGES}
    scripts = _scripts(frame, panels)
    case_data = {
        "groups": groups(frame),
        "alike": list(SAME_CASE),
        "samples": distributions(samples),
        "errors": histograms(records),
    }
    scripts["case.js"] = assignment("harnessCase", case_data)
    scripts["history.js"] = assignment("harnessHistory", history_data(history))
    scripts["compare.js"] = assignment("harnessCompare", compare_data(side, samples))
    assets = f"assets-{_digest(scripts)}"
    files = {f"{assets}/{name}": text for name, text in scripts.items()}
    files[PLOTLY] = get_plotlyjs()
    return files | {
        f"{page.name}.html": _page(page, frame, panels[page.name], assets, title, history) for page in PAGES
    }


def _panels(page: str, frame: pd.DataFrame) -> tuple[Panel, ...]:
    return tuple(_panel(spec, draw(spec, frame)) for spec in FIGURES if spec.page == page)


def _panel(spec: FigureSpec, drawings: Drawings) -> Panel:
    reasons = sorted({drawing.absent for drawing in drawings.shown}) or ["no record has the status ok"]
    absent = "" if any(drawing.figure is not None for drawing in drawings.shown) else "; ".join(reasons)
    return Panel(
        spec.name, spec.title, spec.description, spec.split, spec.filters, drawings.shown, drawings.left_out, absent
    )


def _scripts(frame: pd.DataFrame, panels: Mapping[str, tuple[Panel, ...]]) -> dict[str, str]:
    """Scripts, style sheet and the data of figures and table, which must fit each other."""
    scripts = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in _PARTS}
    for page, figures in panels.items():
        if figures:
            scripts[f"{page}.js"] = assignment("harnessFigures", {figure.name: _figure(figure) for figure in figures})
    scripts["records.js"] = assignment("harnessRecords", table(frame))
    return scripts


def _figure(panel: Panel) -> dict[str, Any]:
    return {"split": panel.split, "drawings": [_drawing(drawing) for drawing in panel.drawings]}


def _drawing(drawing: Drawing) -> dict[str, Any]:
    if drawing.figure is None:
        return {"key": drawing.key, "absent": drawing.absent}
    plain = drawing.figure.to_plotly_json()
    layout = {name: value for name, value in plain["layout"].items() if name not in ("template", "meta")}
    return {"key": drawing.key, "data": plain["data"], "layout": layout, **drawing.figure.layout.meta}


def _digest(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0{files[name]}".encode())
    return digest.hexdigest()[:12]


@cache
def environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _choices(frame: pd.DataFrame, panels: tuple[Panel, ...]) -> tuple[Choice, ...]:
    """What the reader chooses for the whole page: the columns that its figures are split by, in order of appearance. What
    most cases have is chosen at first: of those on a GPU with a speed-up, on a GPU, or any."""
    good = frame[recommendable(frame)]
    split = {name for panel in panels if not panel.absent for name in panel.split}
    on_gpu = good[good["backend"] == "cuda"]
    wanted = next((rows for rows in (on_gpu[on_gpu["speedup"].notna()], on_gpu) if len(rows)), good)
    most = wanted.value_counts([name for name, _ in _PAGE_CHOICES])
    defaults = dict(zip(most.index.names, most.index[0], strict=True)) if len(most) else {}
    return tuple(
        Choice(name, label, tuple(good[name].unique()), str(defaults[name]))
        for name, label in _PAGE_CHOICES
        if name in split
    )


def _page(
    page: PageSpec, frame: pd.DataFrame, panels: tuple[Panel, ...], assets: str, title: str, history: History
) -> str:
    slower, further = regressions(history)
    template = environment().get_template(page.template)
    return template.render(
        page=page,
        pages=PAGES,
        site_title=title,
        assets=assets,
        plotly=PLOTLY,
        panels=panels,
        choices=_choices(frame, panels),
        filters=FILTERS,
        count=len(frame),
        cases_with_history=len(history.cases),
        runs_with_history=len(history.runs),
        changed=history.changed,
        regressions=slower,
        further_regressions=further,
        overview=overview(frame) if page.name == "index" and len(frame) else None,
    )

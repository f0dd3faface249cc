"""Suite files and mappings → Suite. Every complaint starts with ``file:line:column:``."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.kernels.ops import OPS, Op, axis_prefix
from harness.numerics.scheme import preset
from harness.suite.compose import Location
from harness.suite.document import Document, document_of, read_document
from harness.suite.fields import NO_FORMAT
from harness.suite.model import AXES, axis_names, suite_model
from harness.suite.problems import SHOWN_PROBLEMS, explain, together
from harness.suite.shapes import MAX_SHAPES, Misfit, resolve_shapes
from harness.suite.sources import BASE_FOLDER
from harness.suite.types import Axes, AxisValue, Include, Shape, Suite
from harness.suite.wording import nearest, shown
from harness.timing import Measure

MAX_CASES = 1_000_000
"""Combinations times shapes: what fits memory while they are planned, and more than a year of timing."""


def load_suite(source: str | Path | Mapping[str, Any]) -> Suite:
    """Read and check a suite: a path to a YAML file, or the same content as a mapping.

    Raises SuiteError: up to ten problems, each ``file:line:column: where: rule (got …); remedy``.
    """
    if isinstance(source, Mapping):
        return _Loader(document_of(source), Path.cwd()).suite()
    return _Loader(read_document(Path(source)), Path(source).parent).suite()


class _Loader:
    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder
        self._op = self._find_op()

    def _find_op(self) -> Op:
        value = self._document.value
        if "op" not in value:
            got = shown(", ".join(value) or "no keys")[1:-1]
            raise self._document.error((), f"op is missing (got {got}); add op: with one of {', '.join(OPS)}")
        name = value["op"]
        if not isinstance(name, str) or name not in OPS:
            hint = nearest(str(name), OPS)
            raise self._document.error(("op",), f"must be a known op (got {shown(name)}); {hint}")
        return OPS[name]

    def suite(self) -> Suite:
        model = self._model()
        shapes = self._shapes(model)
        matrix = self._axes(model.matrix)
        self._check_operands(dict(matrix), ("matrix",))
        include = tuple(self._entry(entry, ("include", i), shapes) for i, entry in enumerate(model.include))
        exclude = tuple(self._entry(entry, ("exclude", i), shapes) for i, entry in enumerate(model.exclude))
        self._check_size(shapes, matrix, include)
        return Suite(
            name=model.name,
            description=model.description,
            op=self._op.name,
            seed=model.seed,
            shapes=shapes,
            matrix=matrix,
            include=include,
            exclude=exclude,
            baseline=tuple((backend, kernel) for backend, kernel in model.baseline.model_dump().items() if kernel),
            measure=Measure(**model.measure.model_dump()),
            reference_rows=model.reference_rows,
        )

    def _model(self) -> Any:
        model = suite_model(self._op.name)
        try:
            return model.model_validate(self._document.value, context={BASE_FOLDER: self._folder})
        except ValidationError as error:
            problems: list[Any] = error.errors(include_url=False)
            raise explain(self._document, model, problems) from None

    def _shapes(self, model: Any) -> tuple[Shape, ...]:
        found: dict[Shape, None] = {}
        problems: list[str] = []
        for index, entry in enumerate(model.shapes):
            try:
                found.update(dict.fromkeys(resolve_shapes(self._op, entry, model.data, index)))
            except Misfit as error:
                problems.append(str(self._document.error(error.location, str(error))))
            if len(found) > MAX_SHAPES:
                rule = f"a suite has at most {MAX_SHAPES} shapes (got more)"
                raise self._document.error(("shapes", index), f"{rule}; split it into several suites")
        if problems:
            raise together(list(dict.fromkeys(problems))[:SHOWN_PROBLEMS], len(dict.fromkeys(problems)))
        return tuple(found)

    def _axes(self, model: Any) -> Axes:
        values = model.model_dump(by_alias=True, exclude_none=True)
        return tuple((axis, tuple(dict.fromkeys(values[axis]))) for axis in axis_names(self._op) if axis in values)

    def _check_operands(self, axes: dict[str, tuple[AxisValue, ...]], location: Location) -> None:
        """Axes that no format and no preset gives anything to quantize would be passed over in silence."""
        for role in self._op.roles:
            prefix = axis_prefix(role)
            given = next((prefix + axis for axis in AXES if axis != "format" and prefix + axis in axes), None)
            if given is not None and not _quantizes(role, axes):
                rule = f"needs a quantized {role} (got no {prefix}format beside it, and no scheme that has one)"
                raise self._document.error((*location, given), f"{rule}; add one", key=True)
        if self._op.one_tensor and not {"format", "scheme"} & axes.keys():
            rule = "format is missing (got neither format nor scheme)"
            raise self._document.error(location, f"{rule}; add one of them")

    def _entry(self, entry: Any, location: Location, shapes: tuple[Shape, ...]) -> Include:
        patterns = tuple(dict.fromkeys(entry.shape or ()))
        names = list(dict.fromkeys(shape.name for shape in shapes))
        for position, pattern in enumerate(entry.shape or ()):
            if pattern not in names and not fnmatch.filter(names, pattern):
                message = f"must match the name of a shape (got {shown(pattern)}); {nearest(pattern, names)}"
                raise self._document.error((*location, "shape", position), message)
        axes = self._axes(entry)
        if not axes and (location[0] == "include" or not patterns):
            raise self._document.error(location, "needs at least one axis (got none); add one or remove the entry")
        if location[0] == "include":
            self._check_operands(dict(axes), location)
        return Include(axes, patterns)

    def _check_size(self, shapes: tuple[Shape, ...], matrix: Axes, include: tuple[Include, ...]) -> None:
        kernels = len(dict(matrix)["kernel"])
        count = math.prod(len(values) for _, values in matrix)
        for entry in include:
            own = math.prod(len(values) for _, values in entry.axes)
            count += own if "kernel" in dict(entry.axes) else own * kernels
        if count * len(shapes) > MAX_CASES:
            got = f"{count} combinations on {len(shapes)} shapes"
            rule = f"a suite has at most {MAX_CASES} cases (got {got})"
            raise self._document.error(("matrix",), f"{rule}; drop values, axes or shapes")


def _quantizes(role: str, axes: dict[str, tuple[AxisValue, ...]]) -> bool:
    """Whether any combination of ``axes`` has that operand quantized."""
    formats = axes.get(axis_prefix(role) + "format")
    if formats is not None:
        return formats != (NO_FORMAT,)
    presets = (preset(str(name)) for name in axes.get("scheme", ()))
    return any((row.activation if role == "activation" else row.weight) is not None for row in presets)

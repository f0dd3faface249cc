"""Suite files and mappings → Suite. Every complaint starts with ``file:line:column:``."""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.data.source import CapturedActivation, DataSource, ModelTensor, Synthetic, captured_for, source_shape
from harness.errors import HarnessError, SuiteError, did_you_mean
from harness.kernels.ops import OPS, Op, axis_prefix
from harness.suite.document import Document, Location, read_document
from harness.suite.fields import BASE_FOLDER, check_elements
from harness.suite.model import AXES, axis_names, known_keys, suite_model
from harness.suite.types import Axes, Include, Measure, Shape, Suite

MAX_CASES = 2_000_000
_SHOWN_PROBLEMS = 10


def load_suite(source: str | Path | Mapping[str, Any]) -> Suite:
    """Read and check a suite: a path to a YAML file, or the same content as a mapping.

    Raises SuiteError: up to ten problems, each ``file:line:column: where: rule (got …); remedy``.
    """
    if isinstance(source, Mapping):
        document, folder = Document("<mapping>", dict(source)), Path.cwd()
    else:
        path = Path(source)
        document, folder = read_document(path), path.parent
    return _Loader(document, folder).suite()


class _Loader:
    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder

    def _error(self, location: Location, message: str, *, key: bool = False) -> SuiteError:
        place = ".".join(str(step) for step in location)
        return SuiteError(f"{self._document.at(location, key=key)} {place + ': ' if place else ''}{message}")

    def suite(self) -> Suite:
        value = self._document.value
        op = self._op(value)
        try:
            model: Any = suite_model(op.name).model_validate(value, context={BASE_FOLDER: self._folder})
        except ValidationError as error:
            raise self._explain(op, error) from None
        except RecursionError:
            raise self._error((), "a suite nests a few levels (got a cycle or too many); flatten it") from None
        return Suite(
            name=model.name,
            description=model.description,
            op=op.name,
            seed=model.seed,
            shapes=self._shapes(op, model),
            matrix=self._axes(op, model.matrix, ("matrix",)),
            include=self._entries(op, model, "include"),
            exclude=self._entries(op, model, "exclude"),
            baseline=tuple((backend, kernel) for backend, kernel in model.baseline.model_dump().items() if kernel),
            measure=Measure(**model.measure.model_dump()),
            reference_rows=model.reference_rows,
        )

    def _op(self, value: dict[str, Any]) -> Op:
        if "op" not in value:
            raise self._error((), f"op: is missing; add op: with one of {', '.join(OPS)}")
        name = value["op"]
        if not isinstance(name, str) or name not in OPS:
            raise self._error(("op",), f"must be a known op (got {name!r}); {did_you_mean(str(name), OPS)}")
        return OPS[name]

    def _explain(self, op: Op, error: ValidationError) -> SuiteError:
        problems = error.errors(include_url=False)
        lines = [self._line(op, problem) for problem in problems[:_SHOWN_PROBLEMS]]
        if len(problems) > _SHOWN_PROBLEMS:
            lines.append(f"… and {len(problems) - _SHOWN_PROBLEMS} more")
        return SuiteError("\n".join(lines))

    def _line(self, op: Op, problem: Any) -> str:
        location: Location = tuple(problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = known_keys(op.name, location[:-1])
            remedy = did_you_mean(str(location[-1]), known)
            return str(self._error(location, f"unknown key; {remedy}", key=True))
        if problem["type"] == "missing":
            return str(self._error(location[:-1], f"{location[-1]} is missing; add it"))
        message = problem["msg"].removeprefix("Value error, ")
        if "(got" not in message:
            message = f"{message[0].lower()}{message[1:]} (got {_shown(problem['input'])}); change it"
        return str(self._error(location, message))

    def _axes(self, op: Op, model: Any, location: Location) -> Axes:
        values = model.model_dump(by_alias=True, exclude_none=True)
        values.pop("shape", None)
        axes = tuple((axis, tuple(dict.fromkeys(values[axis]))) for axis in axis_names(op) if axis in values)
        names = {axis for axis, _ in axes}
        if location == ("matrix",):
            if "kernel" not in names:
                raise self._error(location, "kernel is missing; add the kernels to run")
            self._check_operands(op, names, location)
        if math.prod(len(values) for _, values in axes) > MAX_CASES:
            raise self._error(location, f"a matrix has at most {MAX_CASES} combinations; drop values or axes")
        return axes

    def _check_operands(self, op: Op, names: set[str], location: Location) -> None:
        for role in op.roles:
            prefix = axis_prefix(role)
            given = [prefix + axis for axis in AXES if prefix + axis in names]
            if given and prefix + "format" not in names and "scheme" not in names:
                raise self._error((*location, given[0]), f"needs {prefix}format or scheme beside it; add one")
        if op.one_tensor and not {"format", "scheme"} & names:
            raise self._error(location, "format is missing; add format or scheme")

    def _entries(self, op: Op, model: Any, key: str) -> tuple[Include, ...]:
        shape_names = [shape.name for shape in model.shapes]
        entries = []
        for index, entry in enumerate(getattr(model, key)):
            location: Location = (key, index)
            patterns = tuple(entry.shape or ())
            for pattern in patterns:
                if not fnmatch.filter(shape_names, pattern):
                    raise self._error(
                        (*location, "shape"),
                        f"must match a shape (got {pattern!r}); {did_you_mean(pattern, shape_names)}",
                    )
            axes = self._axes(op, entry, location)
            if not axes and not patterns:
                raise self._error(location, "is empty; name at least one axis")
            entries.append(Include(axes, patterns))
        return tuple(entries)

    def _shapes(self, op: Op, model: Any) -> tuple[Shape, ...]:
        defaults = {role: getattr(model.data, role) for role in op.roles}
        shapes: dict[Shape, None] = {}
        for index, entry in enumerate(model.shapes):
            location: Location = ("shapes", index)
            try:
                found = self._tensor(entry, defaults) if op.one_tensor else self._product(entry, defaults)
                shapes.update(dict.fromkeys(found))
            except (HarnessError, ValueError) as error:
                raise self._error(location, str(error)) from None
        return tuple(shapes)

    def _resolve(self, value: Any, default: Any, weight: Any = None) -> DataSource:
        source = value if value is not None else default
        if source is None:
            return Synthetic.from_mapping({"distribution": "normal"})
        if source == "captured":
            if weight is None:
                raise ValueError("captured needs a layer beside it; write captured:MODEL/LAYER")
            return captured_for(weight)
        return source  # type: ignore[no-any-return]

    def _tensor(self, entry: Any, defaults: dict[str, Any]) -> list[Shape]:
        source = self._resolve(entry.tensor, defaults["tensor"])
        own = source_shape(source)
        if entry.shape is not None:
            extents = [tuple(entry.shape)]
        elif entry.rows:
            extents = list(itertools.product(entry.rows, entry.cols))
        elif own is not None:
            extents = [own]
        else:
            raise ValueError("needs rows and cols, or shape (got neither); add them")
        for extent in extents:
            check_elements(*extent)
            if own is not None and not _fits(source, own, extent):
                raise ValueError(f"{source.label} has shape {own} (got {extent}); leave the extents out")
        return [Shape(entry.name, extent, (("tensor", source),), entry.channel_axis) for extent in extents]

    def _product(self, entry: Any, defaults: dict[str, Any]) -> list[Shape]:
        weight = self._resolve(entry.weight, defaults["weight"])
        activation = self._resolve(entry.activation, defaults["activation"], weight)
        own = source_shape(weight)
        if isinstance(weight, ModelTensor) and not weight.info.is_product:
            raise ValueError(f"{weight.label} is a grouped convolution, no matrix product; choose another layer")
        if own is not None and len(own) != 2:
            raise ValueError(f"{weight.label} must have two axes, n and k (got shape {own}); reshape the file")
        ns, ks = entry.n, entry.k
        if own is not None:
            for label, given, real in (("n", ns, own[0]), ("k", ks, own[1])):
                if given and given != [real]:
                    raise ValueError(f"{label} of {weight.label} is {real} (got {given}); leave {label} out")
            ns, ks = [own[0]], [own[1]]
        if not ns or not ks:
            raise ValueError("n and k are needed where the weight is no real tensor; add them")
        rows = source_shape(activation)
        shapes = []
        for n, k, m in itertools.product(ns, ks, entry.m):
            for extents in ((m, k), (n, k), (m, n)):
                check_elements(*extents)
            if rows is not None and (len(rows) != 2 or rows[0] < m or rows[1] != k):
                raise ValueError(
                    f"{activation.label} has shape {rows} (got m {m}, k {k}); lower m or choose other data"
                )
            shapes.append(Shape(entry.name, (m, n, k), (("weight", weight), ("activation", activation))))
        return shapes


def _fits(source: DataSource, own: tuple[int, ...], extents: tuple[int, ...]) -> bool:
    """Whether a tensor of shape ``own`` can be had in ``extents``: a capture gives as many rows as it has or fewer."""
    if isinstance(source, CapturedActivation):
        return len(extents) == 2 and extents[0] <= own[0] and extents[1] == own[1]
    return math.prod(own) == math.prod(extents)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"

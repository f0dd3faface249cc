"""Entries of ``shapes`` → Shape: extents and data are resolved, and checked against each other."""

from __future__ import annotations

import itertools
import math
from typing import Any

from harness.data.source import (
    CapturedActivation,
    DataSource,
    ModelTensor,
    Synthetic,
    captured_for,
    source_shape,
)
from harness.errors import HarnessError
from harness.kernels.ops import Op
from harness.suite.compose import Location
from harness.suite.sources import CAPTURED
from harness.suite.types import Shape

MAX_ELEMENTS = 2**36
MAX_SHAPES = 50_000
MAX_AXES = 4
Extents = tuple[int, ...]


class Misfit(ValueError):
    """Extents or data that do not go together; ``location`` is where the suite says them."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location


def resolve_shapes(op: Op, entry: Any, defaults: Any, index: int) -> tuple[Shape, ...]:
    """The shapes of entry ``index`` of the suite's shapes; ``defaults`` is its ``data``. Raises Misfit."""
    resolver = _Entry(entry, defaults, ("shapes", index))
    return resolver.tensor() if op.one_tensor else resolver.product()


class _Entry:
    def __init__(self, entry: Any, defaults: Any, location: Location) -> None:
        self._entry, self._defaults, self._location = entry, defaults, location

    def _at(self, key: str) -> Location:
        return (*self._location, key)

    def _source(self, role: str, weight: DataSource | None = None) -> tuple[DataSource, Extents | None]:
        """The role's data and the shape that they have of themselves."""
        own, default = getattr(self._entry, role), getattr(self._defaults, role)
        where = self._at(role) if own is not None else ("data", role) if default is not None else self._location
        source = own if own is not None else default
        try:
            if source is None:
                source = Synthetic.from_mapping({"distribution": "normal"})
            elif source == CAPTURED:
                if weight is None:
                    rule = f"captured is the input of the weight beside it (got no weight for the {role})"
                    raise Misfit(where, f"{rule}; write captured:MODEL/LAYER")
                source = captured_for(weight)
            shape = source_shape(source)
        except (HarnessError, OverflowError) as error:  # OverflowError: a file that claims an absurd shape
            raise Misfit(where, str(error)) from None
        if shape is not None and 0 in shape:
            raise Misfit(where, f"{source.label} must hold elements (got shape {list(shape)}); choose other data")
        return source, shape

    def tensor(self) -> tuple[Shape, ...]:
        entry = self._entry
        source, own = self._source("tensor")
        self._check_count(entry.rows or [1], entry.cols or [1], entry.dtype)
        shapes = tuple(
            Shape(entry.name, extents, (("tensor", source),), entry.channel_axis, dtype)
            for extents, dtype in itertools.product(self._extents(own), dict.fromkeys(entry.dtype))
        )
        for shape in shapes:
            extents = shape.extents
            _check_elements(self._location, extents)
            if not 1 <= len(extents) <= MAX_AXES:
                raise Misfit(self._location, f"a tensor has 1 to {MAX_AXES} axes (got {len(extents)}); reshape it")
            if own is not None and not _fits(source, own, extents):
                message = f"{source.label} has shape {list(own)} (got {list(extents)}); leave the extents out"
                raise Misfit(self._at("shape" if entry.shape else "rows"), message)
            if entry.channel_axis >= len(extents):
                rule = f"must be an axis of the tensor, below {len(extents)} (got {entry.channel_axis})"
                raise Misfit(self._at("channel_axis"), f"{rule}; count from 0")
        return shapes

    def _extents(self, own: Extents | None) -> list[Extents]:
        entry = self._entry
        if entry.shape is not None and (entry.rows or entry.cols):
            raise Misfit(self._location, "takes rows and cols, or shape (got both); keep one")
        if bool(entry.rows) != bool(entry.cols):
            given, other = ("rows", "cols") if entry.rows else ("cols", "rows")
            raise Misfit(self._location, f"rows and cols come together (got {given} alone); add {other}")
        if entry.shape is not None:
            return [tuple(entry.shape)]
        if entry.rows:
            return list(itertools.product(entry.rows, entry.cols))
        if own is None:
            raise Misfit(self._location, "needs rows and cols, or shape (got neither); add them")
        return [own]

    def product(self) -> tuple[Shape, ...]:
        entry = self._entry
        weight, own = self._source("weight")
        activation, rows = self._source("activation", weight)
        if isinstance(weight, ModelTensor) and not weight.info.is_product:
            rule = f"a weight is one matrix (got {weight.label}, a convolution of {weight.info.groups} groups)"
            raise Misfit(self._weight_location, f"{rule}; choose another layer")
        if own is not None and len(own) != 2:
            rule = f"a weight has two axes, n and k (got {weight.label} of shape {list(own)})"
            raise Misfit(self._weight_location, f"{rule}; reshape the file")
        ns, ks = self._real_or_given("n", weight, own), self._real_or_given("k", weight, own)
        self._check_count(ns, ks, entry.m, entry.dtype)
        for position, m in enumerate(entry.m):
            for k in ks:
                self._check_rows(activation, rows, m, k, position)
        sources = (("weight", weight), ("activation", activation))
        shapes = tuple(
            Shape(entry.name, (m, n, k), sources, dtype=dtype)
            for n, k, m, dtype in itertools.product(ns, ks, entry.m, dict.fromkeys(entry.dtype))
        )
        for shape in shapes:
            m, n, k = shape.extents
            for extents in ((m, k), (n, k), (m, n)):
                _check_elements(self._location, extents)
        return shapes

    @property
    def _weight_location(self) -> Location:
        return self._at("weight") if self._entry.weight is not None else ("data", "weight")

    def _real_or_given(self, key: str, weight: DataSource, own: Extents | None) -> list[int]:
        given: list[int] | None = getattr(self._entry, key)
        if own is None:
            if not given:
                rule = f"needs n and k where the weight is no real tensor (got no {key})"
                raise Misfit(self._location, f"{rule}; add {key}")
            return given
        real = own[("n", "k").index(key)]
        if given and given != [real]:
            got = ", ".join(map(str, given[:8]))
            raise Misfit(self._at(key), f"{key} of {weight.label} is {real} (got {got}); leave {key} out")
        return [real]

    def _check_rows(self, activation: DataSource, rows: Extents | None, m: int, k: int, position: int) -> None:
        """A capture and a file give as many rows as they have or fewer; a model's tensor comes whole."""
        if rows is None:
            return
        if len(rows) != 2 or rows[1] != k:
            where = self._at("activation") if self._entry.activation is not None else ("data", "activation")
            rule = f"an activation is [m, {k}] here (got {activation.label} of shape {list(rows)})"
            raise Misfit(where, f"{rule}; choose other data")
        if m > rows[0] or (m < rows[0] and isinstance(activation, ModelTensor)):
            limit = "" if isinstance(activation, ModelTensor) else "at most "
            message = f"must be {limit}{rows[0]}, the rows of {activation.label} (got {m}); change m"
            raise Misfit((*self._at("m"), position), message)

    def _check_count(self, *lists: list[int]) -> None:
        if (count := math.prod(map(len, lists))) > MAX_SHAPES:
            rule = f"a suite has at most {MAX_SHAPES} shapes (got {count} in one entry)"
            raise Misfit(self._location, f"{rule}; shorten its lists")


def _check_elements(location: Location, extents: Extents) -> None:
    if (elements := math.prod(extents)) > MAX_ELEMENTS:
        got = f"{' x '.join(map(str, extents))} = {elements:.3g}"
        raise Misfit(location, f"a tensor has at most 2^36 elements (got {got}); make it smaller")


def _fits(source: DataSource, own: Extents, extents: Extents) -> bool:
    """Whether ``load`` can give the data in ``extents``: a capture's first rows, a layer as matrix or as it is stored."""
    if isinstance(source, CapturedActivation):
        return len(extents) == 2 and extents[0] <= own[0] and extents[1] == own[1]
    if isinstance(source, ModelTensor):
        return extents == own or (len(extents) != 2 and extents == source.info.stored)
    return extents == own

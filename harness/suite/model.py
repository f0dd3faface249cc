"""The suite file as pydantic models, one per op. They validate files and give the JSON Schema.

The models describe the file; ``load`` turns them into the frozen dataclasses that planning reads. What depends on data
(extents of a real weight, rows of a capture) is checked there too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from harness.kernels import all_kernels
from harness.kernels.ops import OPS, Op, axis_prefix
from harness.kernels.spec import PITFALL
from harness.suite.fields import (
    MAX_VALUES,
    CalibrationText,
    Dimension,
    Dimensions,
    ElementName,
    Flag,
    FormatName,
    FunctionName,
    GranularityText,
    OutputName,
    RangeName,
    ScaleFormatName,
    SchemeName,
    ShapeName,
    SuiteName,
    ValueTypeName,
    Whole,
    listed,
    one_of,
)
from harness.suite.sources import DataValue

MAX_REFERENCE_ROWS = 65536
MAX_ENTRIES = 1000
"""Of include and of exclude."""
BACKENDS = ("cuda", "cpu")


class Strict(BaseModel):
    """Unknown keys are errors; nothing is coerced from one type to another silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


_Samples = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class MeasureModel(Strict):
    """How to time: caches, mode, and when to stop. The maxima beat the minima."""

    l2: Annotated[
        Literal["cold", "hot"], Field(description="caches before each launch: emptied, or as the last one left them")
    ] = "cold"
    mode: Annotated[
        Literal["burst", "steady"],
        Field(description="rests between rounds, or back to back once the clocks have settled"),
    ] = "burst"
    stopping: Annotated[
        Literal["stdrel", "entropy"],
        Field(description="when enough has been seen: noise small or stable, or entropy no longer growing"),
    ] = "stdrel"
    max_noise: Annotated[
        float,
        Field(
            strict=True,
            gt=0,
            le=1,
            allow_inf_nan=False,
            description="relative standard deviation that is small enough (stdrel)",
        ),
    ] = 0.005
    min_samples: Annotated[_Samples, Field(description="samples taken at least")] = 50
    max_samples: Annotated[_Samples, Field(description="samples taken at most")] = 5000
    min_time_s: Annotated[
        float,
        Field(
            strict=True, ge=0, le=3600, allow_inf_nan=False, description="seconds of sampling at least, rests included"
        ),
    ] = 0.5
    max_time_s: Annotated[
        float,
        Field(
            strict=True,
            gt=0,
            le=3600,
            allow_inf_nan=False,
            description="seconds of warm-up, and then of sampling, at most",
        ),
    ] = 2.0


class GemmShape(Strict):
    """activation [m, k] times weight [n, k] transposed. n and k come from a real weight where they are left out."""

    name: ShapeName = Field(description="name of the shape, as filters and figures show it")
    m: Dimensions = Field(description="rows of the activation: tokens, pixels")
    n: Dimensions | None = Field(None, description="rows of the weight: output channels")
    k: Dimensions | None = Field(None, description="columns of both: what is summed over")
    weight: DataValue | None = Field(None, description="data of the weight, instead of data.weight")
    activation: DataValue | None = Field(None, description="data of the activation, instead of data.activation")
    dtype: listed(ValueTypeName) = Field(  # type: ignore[valid-type]
        ["f32"], description="type of the values of both and of the output; default f32"
    )


class TensorShape(Strict):
    """One tensor: rows and cols, or ``shape``, or the shape of a real tensor where all are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["shape"], "anyOf": [{"required": ["rows"]}, {"required": ["cols"]}]},
            "dependentRequired": {"rows": ["cols"], "cols": ["rows"]},
        }
    )

    name: ShapeName = Field(description="name of the shape, as filters and figures show it")
    rows: Dimensions | None = Field(None, description="first extent of a matrix")
    cols: Dimensions | None = Field(None, description="last extent of a matrix; groups run along it")
    shape: Annotated[list[Dimension], Field(min_length=1, max_length=4)] | None = Field(
        None, description="all extents, [n, c, h, w] say, instead of rows and cols"
    )
    channel_axis: Annotated[int, Field(strict=True, ge=0, le=3)] = Field(
        0, description="the axis that per_channel keeps apart, counted from 0"
    )
    dtype: listed(ValueTypeName) = Field(  # type: ignore[valid-type]
        ["f32"], description="type that the values are rounded to and stored in; default f32"
    )
    tensor: DataValue | None = Field(None, description="data of the tensor, instead of data.tensor")


class OneTensorAxes(Strict):
    """Axes of a one-tensor op: something must say the format."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["format"]}, {"required": ["scheme"]}]})


@dataclass(frozen=True)
class Axis:
    """One axis of an operand: its name, the type of its values, and what it says."""

    name: str
    type: Any
    doc: str


AXES: dict[str, Axis] = {
    row.name: row
    for row in (
        Axis("format", FormatName, "element format of the codes"),
        Axis("granularity", GranularityText, "which elements share a scale; default per_tensor"),
        Axis("symmetric", Flag, "zero point 0 (the default), or one that is calibrated"),
        Axis("calibration", CalibrationText, "how the range is found; default minmax"),
        Axis("scale_format", ScaleFormatName, "format that scales are stored in; default f32"),
        Axis("narrow_range", Flag, "keep signed codes symmetric (int8: -127 … 127); default false"),
        Axis("range", RangeName, "whether range finding is inside the timed part; default static"),
    )
}
"""Axes of one operand, in the order in which they are listed everywhere."""


EPILOGUE_AXES: dict[str, Axis] = {
    row.name: row
    for row in (
        Axis("epilogue.bias", Flag, "whether a bias, one value a column, is added; default false"),
        Axis("epilogue.function", FunctionName, "activation function of the output; default none"),
        Axis("output.format", OutputName, "int8: the output requantized; default none, the shape's dtype"),
    )
}
"""Axes of what follows a product."""


def axis_names(op: Op) -> tuple[str, ...]:
    """All axes of an op as suites write them."""
    epilogue = tuple(EPILOGUE_AXES) if op.epilogue else ()
    return ("kernel", "scheme", *(axis_prefix(role) + axis for role in op.roles for axis in AXES), *epilogue)


def _kernel(op: Op, backend: str | None = None) -> Any:
    """The name of one of the op's kernels; with ``backend``, of those that run there and may be measured against."""
    rows = [row for row in all_kernels() if row.op == op.name]
    if backend is not None:
        rows = [row for row in rows if row.backend in (None, backend) and row.role != PITFALL]
    label = f"kernel of {op.name}" + (f" on {backend}" if backend else "")
    return one_of(label, tuple(row.name for row in rows))


def _axes(op: Op) -> list[Axis]:
    """All axes of the op. A tensor that is left unquantized is no case of one-tensor ops."""
    rows = [
        Axis("kernel", _kernel(op), "kernels to run; those whose backend is absent are skipped"),
        Axis("scheme", SchemeName, "presets; axes that are spelled beside them come on top"),
    ]
    for role in op.roles:
        for axis in AXES.values():
            kind = ElementName if op.one_tensor and axis.name == "format" else axis.type
            rows.append(Axis(axis_prefix(role) + axis.name, kind, f"{role}: {axis.doc}"))
    return [*rows, *(EPILOGUE_AXES.values() if op.epilogue else ())]


def _listed_fields(rows: Iterable[Axis]) -> dict[str, Any]:
    """Each axis a list or a single value, none of them required."""
    return {
        row.name.replace(".", "_"): (listed(row.type) | None, Field(None, alias=row.name, description=row.doc))
        for row in rows
    }


def _matrix_model(op: Op, title: str) -> type[Strict]:
    kernel, *others = _axes(op)
    fields = {"kernel": (listed(kernel.type), Field(description=kernel.doc)), **_listed_fields(others)}
    base = OneTensorAxes if op.one_tensor else Strict
    doc = "Axes: what is run is their product."
    model: type[Strict] = create_model(f"{title}Matrix", __base__=base, __doc__=doc, **fields)
    return model


def _entry_model(op: Op, title: str) -> type[Strict]:
    shape = Axis("shape", ShapeName, "names of shapes, * and ? allowed; all shapes where left out")
    fields = _listed_fields([*_axes(op), shape])
    model: type[Strict] = create_model(
        f"{title}Entry", __base__=Strict, __doc__="Axes, on all shapes or some.", **fields
    )
    return model


def _data_model(op: Op, title: str) -> type[Strict]:
    fields: dict[str, Any] = {
        role: (DataValue | None, Field(None, description=f"data of the {role}; default normal")) for role in op.roles
    }
    model: type[Strict] = create_model(f"{title}Data", __base__=Strict, **fields)
    return model


def _baseline_model(op: Op, title: str) -> type[Strict]:
    fields: dict[str, Any] = {
        backend: (
            _kernel(op, backend) | None,
            Field(None, description=f"what speedup is measured against on {backend}"),
        )
        for backend in BACKENDS
    }
    model: type[Strict] = create_model(f"{title}Baseline", __base__=Strict, **fields)
    return model


@functools.cache
def suite_model(op_name: str) -> type[Strict]:
    """The model of a suite file whose ``op`` is ``op_name``."""
    op = OPS[op_name]
    title = op_name.title().replace("_", "")
    matrix, entry = _matrix_model(op, title), _entry_model(op, title)
    data, baseline = _data_model(op, title), _baseline_model(op, title)
    shape: Any = TensorShape if op.one_tensor else GemmShape
    entries = Annotated[list[entry], Field(max_length=MAX_ENTRIES)]  # type: ignore[valid-type]
    fields: dict[str, Any] = {
        "name": (SuiteName, Field(description="name of the suite; its results lie in results/NAME")),
        "description": (str, Field("", description="what the suite is for")),
        "op": (Literal[op_name], Field(description=op.doc)),
        "seed": (Annotated[Whole, Field(ge=0, lt=2**63)], Field(0, description="seed of all synthetic data")),
        "data": (data, Field(default_factory=data, description="default tensors; a shape may override them")),
        "shapes": (
            Annotated[list[shape], Field(min_length=1, max_length=MAX_VALUES)],
            Field(description="the problem sizes, and real tensors"),
        ),
        "matrix": (matrix, Field(description="the product of these axes is run on every shape")),
        "include": (entries, Field([], description="further combinations, each a mapping of axes")),
        "exclude": (entries, Field([], description="combinations to drop, each a mapping of axes")),
        "baseline": (
            baseline,
            Field(default_factory=baseline, description="the kernel that speedup is measured against"),
        ),
        "measure": (MeasureModel, Field(default_factory=MeasureModel, description="how to time")),
        "reference_rows": (
            Annotated[Whole, Field(ge=1, le=MAX_REFERENCE_ROWS)],
            Field(256, description="rows of a product that are checked and measured for accuracy"),
        ),
    }
    doc = f"A suite of {op.name} cases: {op.doc}."
    model: type[Strict] = create_model(f"{title}Suite", __base__=Strict, __doc__=doc, **fields)
    return model


def known_keys(model: Any, location: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that a mapping at ``location`` of a file accepts that ``model`` describes."""
    for step in location:
        if isinstance(step, int):
            continue
        field = next((info for key, info in model.model_fields.items() if (info.alias or key) == step), None)
        model = _model_within(field.annotation) if field else None
        if model is None:
            return ()
    return tuple(info.alias or key for key, info in model.model_fields.items())


def _model_within(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_within(inner)) is not None:
            return found
    return None

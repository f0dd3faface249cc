"""The suite file as pydantic models, one per op. They validate files and give the JSON Schema.

The models describe the file; ``load`` turns them into the frozen dataclasses that planning reads.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator
from pydantic.fields import FieldInfo

from harness.errors import did_you_mean
from harness.kernels import kernel_names
from harness.kernels.ops import OPS, Op, axis_prefix
from harness.suite.fields import (
    CalibrationText,
    DataValue,
    Dimension,
    Dimensions,
    Flag,
    FormatName,
    GranularityText,
    RangeName,
    ScaleFormatName,
    SchemeName,
    _listed,
    _no_bool,
    check_elements,
)

MAX_REFERENCE_ROWS = 65536
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """Unknown keys are errors; nothing is coerced from one type to another silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class MeasureModel(Strict):
    """How to time: L2 state, mode, and when to stop."""

    l2: Literal["cold", "hot"] = "cold"
    mode: Literal["burst", "steady"] = "burst"
    min_samples: Annotated[int, BeforeValidator(_no_bool), Field(strict=True, ge=1, le=1_000_000)] = 50
    max_time_s: Annotated[float, BeforeValidator(_no_bool), Field(gt=0, le=3600, allow_inf_nan=False)] = 2.0


class GemmShape(Strict):
    """[m, k] times [n, k] transposed. n and k come from a real weight where they are left out."""

    name: Name
    m: Dimensions
    n: Dimensions | None = None
    k: Dimensions | None = None
    weight: DataValue | None = None
    activation: DataValue | None = None


class TensorShape(Strict):
    """One tensor: rows and cols, or ``shape``, or the shape of a real tensor where all are left out."""

    name: Name
    rows: Dimensions | None = None
    cols: Dimensions | None = None
    shape: Annotated[list[Dimension], Field(min_length=1, max_length=4)] | None = None
    channel_axis: Annotated[int, BeforeValidator(_no_bool), Field(strict=True, ge=0, le=3)] = 0
    tensor: DataValue | None = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if self.shape is not None and (self.rows or self.cols):
            raise ValueError("takes rows and cols, or shape (got both); keep one")
        if bool(self.rows) != bool(self.cols):
            raise ValueError("rows and cols come together (got one of them); add the other")
        if self.shape is not None:
            check_elements(*self.shape)
            if self.channel_axis >= len(self.shape):
                raise ValueError(f"channel_axis must be below {len(self.shape)} (got {self.channel_axis})")
        return self


AXES: dict[str, Any] = {
    "format": FormatName,
    "granularity": GranularityText,
    "symmetric": Flag,
    "calibration": CalibrationText,
    "scale_format": ScaleFormatName,
    "narrow_range": Flag,
    "range": RangeName,
}
"""Axes of one operand, in the order in which they are listed everywhere."""


def axis_names(op: Op) -> tuple[str, ...]:
    """All axes of an op as suites write them."""
    return ("kernel", "scheme", *(axis_prefix(role) + axis for role in op.roles for axis in AXES))


def _kernel(op: Op) -> Any:
    names = kernel_names(op.name)

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be a kernel of {op.name} (got {value!r}); {did_you_mean(value, names)}")
        return value

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"enum": sorted(names)})]


def _axes_model(op: Op, name: str, *, with_shape: bool) -> type[Strict]:
    types: dict[str, Any] = {"kernel": _kernel(op), "scheme": SchemeName}
    types |= {axis_prefix(role) + axis: kind for role in op.roles for axis, kind in AXES.items()}
    if with_shape:
        types["shape"] = Name
    fields: dict[str, Any] = {}
    for axis, kind in types.items():
        listed = Annotated[list[kind], BeforeValidator(_listed), _scalar_or_list(kind)]
        fields[axis.replace(".", "_")] = (listed | None, Field(default=None, alias=axis))
    model: type[Strict] = create_model(name, __base__=Strict, **fields)
    return model


def _scalar_or_list(kind: Any) -> FieldInfo:
    def widen(schema: dict[str, Any]) -> None:
        items = dict(schema.get("items", {}))
        copy = dict(schema)
        schema.clear()
        schema["anyOf"] = [items, copy]

    field: FieldInfo = Field(json_schema_extra=widen)
    return field


@functools.cache
def suite_model(op_name: str) -> type[Strict]:
    """The model of a suite file whose ``op`` is ``op_name``."""
    op = OPS[op_name]
    title = op_name.title().replace("_", "")
    matrix = _axes_model(op, f"{title}Matrix", with_shape=False)
    entry = _axes_model(op, f"{title}Entry", with_shape=True)
    data = create_model(f"{title}Data", __base__=Strict, **dict.fromkeys(op.roles, (DataValue | None, None)))  # type: ignore[call-overload]
    kernel = _kernel(op)
    baseline = create_model(f"{title}Baseline", __base__=Strict, cuda=(kernel | None, None), cpu=(kernel | None, None))
    shape: Any = TensorShape if op.one_tensor else GemmShape
    model: type[Strict] = create_model(
        f"{title}Suite",
        __base__=Strict,
        __doc__=f"A suite of {op.name} cases: {op.doc}.",
        name=(Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")], ...),
        description=(str, ""),
        op=(Literal[op_name], ...),
        seed=(Annotated[int, BeforeValidator(_no_bool), Field(strict=True, ge=0, lt=2**63)], 0),
        data=(data, Field(default_factory=data)),
        shapes=(Annotated[list[shape], Field(min_length=1, max_length=10_000)], ...),
        matrix=(matrix, ...),
        include=(list[entry], []),  # type: ignore[valid-type]
        exclude=(list[entry], []),  # type: ignore[valid-type]
        baseline=(baseline, Field(default_factory=baseline)),
        measure=(MeasureModel, Field(default_factory=MeasureModel)),
        reference_rows=(
            Annotated[int, BeforeValidator(_no_bool), Field(strict=True, ge=1, le=MAX_REFERENCE_ROWS)],
            256,
        ),
    )
    return model


def known_keys(op_name: str, location: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that a mapping at ``location`` of the file accepts."""
    model: Any = suite_model(op_name)
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

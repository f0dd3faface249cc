"""Field types of the suite file: each validates one kind of value and turns it into its canonical form.

The same annotations give the JSON Schema, so that editors complete what the loader accepts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from harness.data.source import captured_for, parse_source
from harness.errors import HarnessError, did_you_mean
from harness.numerics.formats import FORMATS
from harness.numerics.granularity import Granularity
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import CALIBRATIONS, RANGES, SCHEMES, Calibration

NO_FORMAT = "none"
"""An operand left unquantized."""

MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**36

Value = TypeVar("Value")


def _one_of(label: str, names: Iterable[str]) -> Callable[[str], str]:
    known = tuple(names)

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be a known {label} (got {value!r}); {did_you_mean(value, known)}")
        return value

    return check


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], str]:
    """Validate by parsing; the canonical text is kept. The label before the rule is the axis, which the path names."""

    def check(value: str) -> str:
        try:
            return str(parse(value))
        except HarnessError as error:
            raise ValueError(str(error).partition(": ")[2]) from None

    return check


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"must be a number (got {str(value).lower()})")
    return value


def _listed(value: Any) -> Any:
    """A single value stands for a list of one; a list keeps its values once each."""
    if not isinstance(value, list):
        return [value]
    if not value:
        raise ValueError("needs at least one value (got an empty list); remove the key or add a value")
    return value


_CHOICES = {"enum": sorted({*FORMATS, NO_FORMAT})}

FormatName = Annotated[
    str,
    AfterValidator(_one_of("element format", (*FORMATS, NO_FORMAT))),
    WithJsonSchema({"type": "string", **_CHOICES}),
]
GranularityText = Annotated[
    str,
    AfterValidator(_parsed(Granularity.parse)),
    Field(
        json_schema_extra={"pattern": r"^(per_tensor|per_channel|per_token|per_group:\d+|per_block:(\d+|\*)x(\d+|\*))$"}
    ),
]
CalibrationText = Annotated[
    str,
    AfterValidator(_parsed(Calibration.parse)),
    Field(json_schema_extra={"pattern": f"^({'|'.join(CALIBRATIONS)})(:.+)?$"}),
]
ScaleFormatName = Annotated[
    str,
    AfterValidator(_one_of("scale format", SCALE_FORMATS)),
    WithJsonSchema({"type": "string", "enum": sorted(SCALE_FORMATS)}),
]
RangeName = Annotated[
    str, AfterValidator(_one_of("range", RANGES)), WithJsonSchema({"type": "string", "enum": sorted(RANGES)})
]
SchemeName = Annotated[
    str, AfterValidator(_one_of("preset", SCHEMES)), WithJsonSchema({"type": "string", "enum": sorted(SCHEMES)})
]
Flag = Annotated[bool, Field(strict=True)]
Dimension = Annotated[int, BeforeValidator(_no_bool), Field(strict=True, ge=1, le=MAX_DIMENSION)]
Dimensions = Annotated[list[Dimension], BeforeValidator(_listed)]


def check_elements(*dimensions: int) -> None:
    """Refuse a tensor of more than ``MAX_ELEMENTS`` elements."""
    if (elements := math.prod(dimensions)) > MAX_ELEMENTS:
        raise ValueError(
            f"a tensor has at most 2^36 elements (got {' x '.join(map(str, dimensions))} = {elements:.3g}); make it smaller"
        )


BASE_FOLDER = "base folder"
"""Key of the validation context: the folder that relative paths start from."""


def _source(value: Any, info: ValidationInfo) -> Any:
    """A data source in the suite's spelling; ``captured`` is resolved by the shape that has the weight."""
    if value is None or value == "captured":
        return value
    if not isinstance(value, str | dict):
        raise ValueError(f"must be a mapping with a distribution, model:…, captured or file:… (got {value!r})")
    try:
        if isinstance(value, str) and value.startswith("captured:"):
            return captured_for(parse_source("model:" + value.removeprefix("captured:")))
        return parse_source(value, base=(info.context or {}).get(BASE_FOLDER, "."))
    except HarnessError as error:
        raise ValueError(str(error)) from None


DataValue = Annotated[
    Any,
    BeforeValidator(_source),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "string", "pattern": r"^(captured$|captured:.+/.+|model:.+/.+|file:.+)"},
                {"type": "object", "properties": {"distribution": {"type": "string"}, "file": {"type": "string"}}},
            ]
        }
    ),
]

"""Field types of the suite file: each validates one kind of value and turns it into its canonical form.

The same annotations give the JSON Schema, so that editors complete and explain what the loader accepts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from harness.errors import HarnessError
from harness.numerics.epilogue import FUNCTIONS, OUTPUTS
from harness.numerics.formats import FORMATS
from harness.numerics.granularity import Granularity
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import CALIBRATIONS, RANGES, SCHEMES, Calibration
from harness.numerics.value_types import VALUE_TYPES
from harness.suite.wording import nearest, shown

NO_FORMAT = "none"
"""An operand left unquantized."""

MAX_DIMENSION = 2**31 - 1
MAX_VALUES = 10_000
"""Of one list."""

_MAX_ARGUMENT = 64
_HUGE_EXPONENT = re.compile(r"[eE][-+]?0*\d{3}")


SHARED: dict[str, dict[str, Any]] = {}
"""JSON Schemas that many fields refer to, by name: ``schema`` puts each into ``$defs`` once."""
SHARED_NAME = "x-shared"


def shared(name: str, schema: dict[str, Any]) -> WithJsonSchema:
    """An annotation: the field's JSON Schema is ``schema``, stored once under ``name``."""
    SHARED[name] = schema
    return WithJsonSchema({SHARED_NAME: name})


def one_of(label: str, known: Collection[str], name: str | None = None) -> Any:
    """Text that is one of ``known``; of a mapping editors show the values beside its keys. ``name`` is the schema's, if
    it is not the label."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be a known {label} (got {shown(value)}); {nearest(value, known)}")
        return value

    schema: dict[str, Any] = {"type": "string", "enum": list(known)}
    if isinstance(known, Mapping):
        schema["enumDescriptions"] = list(known.values())
    return Annotated[str, AfterValidator(check), shared(name or label.replace(" ", "_"), schema)]


def _parsed(name: str, parse: Callable[[str], Any], pattern: str, examples: list[str]) -> Any:
    """Text that ``parse`` takes; its canonical form is kept. Messages come from ``parse``."""

    @functools.cache
    def canonical(value: str) -> str:
        if len(value) > _MAX_ARGUMENT or _HUGE_EXPONENT.search(value):
            rule = f"has at most {_MAX_ARGUMENT} characters and exponents of two digits (got {shown(value)})"
            raise ValueError(f"{rule}; shorten it")
        try:
            return str(parse(str(parse(value))))  # twice: rounding to a float may leave what the rule allows
        except HarnessError as error:
            raise ValueError(str(error).partition(": ")[2]) from None  # without the axis, which the path names

    schema = {"type": "string", "pattern": pattern, "examples": examples}
    return Annotated[str, AfterValidator(canonical), shared(name, schema)]


def _calibration_pattern() -> str:
    number = r"(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?"
    forms = {"none": "{}", "required": "{}:" + number, "optional": "{}(:" + number + ")?"}
    forms["batched"] = "{}(:" + number + r"(,[1-9]\d{0,4})?)?"
    return "^(" + "|".join(forms[row.argument].replace("{}", row.name) for row in CALIBRATIONS.values()) + ")$"


_EXTENT = r"[1-9]\d{0,8}"
ElementName = one_of("element format", {row.name: row.doc for row in FORMATS.values()})
FormatName = one_of(
    "element format",
    {**{row.name: row.doc for row in FORMATS.values()}, NO_FORMAT: "left unquantized"},
    "operand_format",
)
GranularityText = _parsed(
    "granularity",
    Granularity.parse,
    rf"^(per_tensor|per_channel|per_token|per_group:{_EXTENT}|per_block:(\*|{_EXTENT})x(\*|{_EXTENT}))$",
    ["per_tensor", "per_channel", "per_token", "per_group:128", "per_block:128x128", "per_block:128x*"],
)
CalibrationText = _parsed(
    "calibration",
    Calibration.parse,
    _calibration_pattern(),
    ["minmax", "ema_minmax", "ema_minmax:0.01,32", "percentile:99.9", "mse", "kl", "fixed:3.5"],
)
ScaleFormatName = one_of("scale format", {row.name: row.doc for row in SCALE_FORMATS.values()})
RangeName = one_of("range", RANGES)
FunctionName = one_of("activation function", {row.name: row.doc for row in FUNCTIONS.values()})
OutputName = one_of("output format", OUTPUTS)
ValueTypeName = one_of("value type", {row.name: row.doc for row in VALUE_TYPES.values()})
SchemeName = one_of("preset", {row.name: row.doc for row in SCHEMES.values()})
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Dimension = Annotated[int, Field(strict=True, ge=1, le=MAX_DIMENSION)]


def _listed(value: Any) -> Any:
    """A single value stands for a list of one."""
    if isinstance(value, list):
        if not value:
            raise ValueError("needs at least one value (got an empty list); add a value or remove the key")
        return value
    return [value]


def _widen(schema: dict[str, Any]) -> None:
    several = {key: schema.pop(key) for key in ("type", "items", "minItems", "maxItems") if key in schema}
    schema["anyOf"] = [several["items"], several]


def listed(kind: Any) -> Any:
    """A list of ``kind`` of at least one value, or a single one that stands for it."""
    sized = Field(min_length=1, max_length=MAX_VALUES, json_schema_extra=_widen)
    return Annotated[list[kind], sized, BeforeValidator(_listed)]


Dimensions = Annotated[list[Dimension], *listed(Dimension).__metadata__]


def _text_of(name: str, rule: str, pattern: str) -> Any:
    """Text that obeys ``rule``, which the regular expression ``pattern`` says to editors."""
    matcher = re.compile(pattern)

    def check(value: str) -> str:
        if not matcher.fullmatch(value):
            raise ValueError(f"has {rule} (got {shown(value)}); change it")
        return value

    return Annotated[str, AfterValidator(check), shared(name, {"type": "string", "pattern": f"^{pattern}$"})]


SuiteName = _text_of(
    "suite_name", "1 to 100 letters, digits, dots, dashes or underscores", r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
)
ShapeName = _text_of(
    "shape_name", "1 to 200 characters, none of them a control character", r"[^\x00-\x1f\x7f-\x9f]{1,200}"
)

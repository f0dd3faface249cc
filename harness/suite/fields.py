"""Field types of the suite file: each validates one kind of value and turns it into its canonical form.

The same annotations give the JSON Schema, so that editors complete and explain what the loader accepts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from harness.errors import HarnessError, did_you_mean
from harness.numerics.formats import FORMATS
from harness.numerics.granularity import Granularity
from harness.numerics.scales import SCALE_FORMATS
from harness.numerics.scheme import CALIBRATIONS, RANGES, SCHEMES, Calibration
from harness.suite.wording import shown

NO_FORMAT = "none"
"""An operand left unquantized."""

MAX_DIMENSION = 2**31 - 1
MAX_VALUES = 10_000
"""Of one list."""

_MAX_ARGUMENT = 64
_HUGE_EXPONENT = re.compile(r"[eE][-+]?0*\d{3}")


def one_of(label: str, docs: Mapping[str, str]) -> Any:
    """Text that is one of the keys of ``docs``, which editors show beside them."""
    known = tuple(docs)

    def check(value: str) -> str:
        if value not in docs:
            raise ValueError(f"must be a known {label} (got {shown(value)}); {did_you_mean(value, known)}")
        return value

    schema = {"type": "string", "enum": list(known), "enumDescriptions": list(docs.values())}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def _parsed(parse: Callable[[str], Any], pattern: str, examples: list[str]) -> Any:
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
    return Annotated[str, AfterValidator(canonical), WithJsonSchema(schema)]


def _calibration_pattern() -> str:
    number = r"(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?"
    forms = {"none": "{}", "required": "{}:" + number, "optional": "{}(:" + number + ")?"}
    return "^(" + "|".join(forms[row.argument].replace("{}", row.name) for row in CALIBRATIONS.values()) + ")$"


_EXTENT = r"[1-9]\d{0,8}"
ElementName = one_of("element format", {row.name: row.doc for row in FORMATS.values()})
FormatName = one_of(
    "element format", {**{row.name: row.doc for row in FORMATS.values()}, NO_FORMAT: "left unquantized"}
)
GranularityText = _parsed(
    Granularity.parse,
    rf"^(per_tensor|per_channel|per_token|per_group:{_EXTENT}|per_block:(\*|{_EXTENT})x(\*|{_EXTENT}))$",
    ["per_tensor", "per_channel", "per_token", "per_group:128", "per_block:128x128", "per_block:128x*"],
)
CalibrationText = _parsed(
    Calibration.parse,
    _calibration_pattern(),
    ["minmax", "percentile:99.9", "mse", "kl", "fixed:3.5"],
)
ScaleFormatName = one_of("scale format", {row.name: row.doc for row in SCALE_FORMATS.values()})
RangeName = one_of("range", RANGES)
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
    several = dict(schema)
    schema.clear()
    schema["anyOf"] = [dict(several.get("items", {})), several]


def listed(kind: Any) -> Any:
    """A list of ``kind`` of at least one value, or a single one that stands for it."""
    sized = Field(min_length=1, max_length=MAX_VALUES, json_schema_extra=_widen)
    return Annotated[list[kind], sized, BeforeValidator(_listed)]


Dimensions = Annotated[list[Dimension], *listed(Dimension).__metadata__]


def text_of(rule: str, pattern: str) -> Any:
    """Text that obeys ``rule``, which the regular expression ``pattern`` says to editors."""
    matcher = re.compile(pattern)

    def check(value: str) -> str:
        if not matcher.fullmatch(value):
            raise ValueError(f"has {rule} (got {shown(value)}); change it")
        return value

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})]


SuiteName = text_of("1 to 100 letters, digits, dots, dashes or underscores", r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ShapeName = text_of("1 to 200 characters, none of them a control character", r"[^\x00-\x1f\x7f-\x9f]{1,200}")

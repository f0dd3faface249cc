"""The field type of data: distributions, model layers, captured activations and files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from harness.data.source import captured_for, parse_source
from harness.data.synthetic import DISTRIBUTIONS, OUTLIERS, Distribution, Parameter
from harness.errors import HarnessError
from harness.suite.fields import shared
from harness.suite.wording import nearest, shown

BASE_FOLDER = "base folder"
"""Key of the validation context: the folder that relative paths start from."""

CAPTURED = "captured"
UNKNOWN_KEY = "unknown_key"
"""Type of the problem that a mapping has no such key: it is shown where the key stands."""

_FORMS = "a mapping with distribution, or text: model:NAME/LAYER, captured, file:PATH#KEY"


def _source(value: Any, info: ValidationInfo) -> Any:
    """A data source in the suite's spelling; ``captured`` is resolved by the shape that has the weight."""
    if value == CAPTURED:
        return value
    if not isinstance(value, str | dict):
        raise ValueError(f"must be {_FORMS} (got {shown(value)}); write one of these")
    if isinstance(value, dict) and "distribution" in value and "file" not in value:
        _check_distribution(value)
    try:
        if isinstance(value, str) and value.startswith(f"{CAPTURED}:"):
            return captured_for(parse_source("model:" + value.removeprefix(f"{CAPTURED}:")))
        return parse_source(value, base=(info.context or {}).get(BASE_FOLDER, "."))
    except HarnessError as error:
        raise ValueError(str(error)) from None


def _parameters(row: Distribution) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in (*row.parameters, *OUTLIERS)}


def _check_distribution(value: Mapping[str, Any]) -> None:
    """Find the one word or number that is wrong, so that its own line and column are shown."""
    name = value["distribution"]
    if not isinstance(name, str) or name not in DISTRIBUTIONS:
        hint = nearest(str(name), DISTRIBUTIONS)
        raise _located("distribution", name, f"must be a known distribution (got {shown(name)}); {hint}")
    known = _parameters(DISTRIBUTIONS[name])
    for key, number in value.items():
        if key == "distribution":
            continue
        if key not in known:
            message = f"unknown parameter of {name} (got {shown(key)}); {nearest(key, known)}"
            raise _located(key, number, message, UNKNOWN_KEY)
        if rule := _broken_rule(known[key], number):
            raise _located(key, number, f"must be {rule} (got {shown(number)}); change it")


def _broken_rule(parameter: Parameter, number: Any) -> str | None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return "a number"
    if not math.isfinite(number):
        return "finite"
    return None if parameter.holds(float(number)) else parameter.rule


def _located(key: str, value: Any, message: str, kind: str = "value_error") -> ValidationError:
    """A problem of the value at ``key``; pydantic puts the mapping's own path before it."""
    problem = PydanticCustomError(kind, "{message}", {"message": message})
    details = InitErrorDetails(type=problem, loc=(key,), input=value)
    return ValidationError.from_exception_data("data", [details])


def _distribution_schema(row: Distribution) -> dict[str, Any]:
    parameters = {
        parameter.name: {
            "type": "number",
            "default": parameter.default,
            "description": f"{parameter.rule}; default {parameter.default:g}",
        }
        for parameter in _parameters(row).values()
    }
    return {
        "type": "object",
        "description": row.doc,
        "properties": {"distribution": {"const": row.name, "description": row.doc}, **parameters},
        "required": ["distribution"],
        "additionalProperties": False,
    }


_FILE_SCHEMA = {
    "type": "object",
    "description": "a tensor of yours",
    "properties": {"file": {"type": "string", "description": "path.npy, path.npz#key or path.safetensors#key"}},
    "required": ["file"],
    "additionalProperties": False,
}
_TEXT_SCHEMA = {
    "type": "string",
    "pattern": r"^(captured|captured:[^/]+/.+|model:[^/]+/.+|file:.+)$",
    "description": "model:NAME/LAYER, a real weight; captured, the real input of that layer; file:PATH#KEY",
}

_DATA_SCHEMA: dict[str, Any] = {
    "description": "where a tensor comes from",
    "anyOf": [*map(_distribution_schema, DISTRIBUTIONS.values()), _FILE_SCHEMA, _TEXT_SCHEMA],
}
DataValue = Annotated[Any, BeforeValidator(_source), shared("data", _DATA_SCHEMA)]

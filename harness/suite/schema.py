"""The JSON Schema of suite files, generated from the models that validate them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from harness.kernels.ops import OPS
from harness.suite.fields import SHARED, SHARED_NAME
from harness.suite.model import suite_model

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """One schema for all ops: the value of ``op`` chooses the branch."""
    references, definitions = models_json_schema([(suite_model(op), "validation") for op in OPS], by_alias=True)
    branches = [
        {
            "if": {"properties": {"op": {"const": op}}, "required": ["op"]},
            "then": references[suite_model(op), "validation"],
        }
        for op in OPS
    ]
    models = {name: _tidy(model) for name, model in definitions["$defs"].items()}
    some = models[next(name for name in models if name.endswith("Suite"))]
    common = {key: {"description": value["description"]} for key, value in some["properties"].items() if key != "op"}
    return {
        "$schema": DIALECT,
        "title": "Quantization harness suite",
        "description": "What to run: shapes, and a matrix of kernels and quantization schemes",
        "type": "object",
        "required": ["name", "op", "shapes", "matrix"],
        "properties": {
            "op": {
                "description": "the operation",
                "enum": list(OPS),
                "enumDescriptions": [op.doc for op in OPS.values()],
            },
            **common,
        },
        "allOf": branches,
        "$defs": {**SHARED, **models},
    }


def _tidy(schema: Any) -> Any:
    """Without null, which suites do not write, and without titles, which repeat the key; what is shared as a reference."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _tidy(value)
        for key, value in schema.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }
    if SHARED_NAME in kept:
        return {"$ref": f"#/$defs/{kept.pop(SHARED_NAME)}", **kept}
    choices = kept.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        del kept["anyOf"]
        return {**choices[0], **kept}
    return kept

"""The JSON Schema of suite files, generated from the models that validate them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from harness.kernels.ops import OPS
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
    return {
        "$schema": DIALECT,
        "title": "Quantization harness suite",
        "type": "object",
        "required": ["name", "op", "shapes", "matrix"],
        "properties": {"op": {"enum": list(OPS), "description": "; ".join(f"{o.name}: {o.doc}" for o in OPS.values())}},
        "allOf": branches,
        **definitions,
    }

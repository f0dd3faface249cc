"""Suites: what to run. YAML (or a mapping) → Suite."""

from harness.suite.load import load_suite
from harness.suite.schema import json_schema
from harness.suite.types import Include, Shape, Suite
from harness.timing import Measure

__all__ = ["Include", "Measure", "Shape", "Suite", "json_schema", "load_suite"]

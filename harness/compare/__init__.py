"""Two sets of runs, held against each other case by case: ``sides`` reads them, ``compare`` judges, ``export`` prints."""

from harness.compare.compare import compare_sides
from harness.compare.result import Accuracy, CaseComparison, Comparison, Conformance
from harness.compare.sides import Side, find_side, read_side

__all__ = [
    "Accuracy",
    "CaseComparison",
    "Comparison",
    "Conformance",
    "Side",
    "compare_sides",
    "find_side",
    "read_side",
]

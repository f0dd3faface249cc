"""The policy: which cases are gated, and what counts as a regression. Every complaint starts with ``file:line:column:``."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from harness.compare.accuracy import FIGURES, Figures, Tolerance
from harness.errors import PolicyError, SuiteError
from harness.suite.document import read_document
from harness.suite.fields import Flag, listed
from harness.suite.model import Strict
from harness.suite.problems import explain
from harness.verdict import MIN_EFFECT

_Glob = Annotated[str, Field(min_length=1, max_length=300)]


class ToleranceModel(Strict):
    """Changes of a figure that are none."""

    case: _Glob = "*"
    figure: _Glob
    absolute: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AccuracyModel(Strict):
    """What is compared of accuracy."""

    figures: listed(_Glob) = Field(default_factory=lambda: ["*"])  # type: ignore[valid-type]
    tolerances: Annotated[list[ToleranceModel], Field(max_length=1000)] = Field(default_factory=list)


class SpeedModel(Strict):
    """What is compared of speed. ``ignore_below``: changes of at most this share are none."""

    gate: Flag = True
    ignore_below: Annotated[float, Field(ge=MIN_EFFECT, lt=1)] = MIN_EFFECT


class Policy(Strict):
    """What regressions are. The defaults gate every case, on speed and on accuracy.

    ``cases``, ``exclude``: globs of case names. ``unsure`` and ``missing``: whether cases that cannot be told, and cases
    of the baseline that were not run, fail the check.
    """

    cases: listed(_Glob) = Field(default_factory=lambda: ["*"])  # type: ignore[valid-type]
    exclude: Annotated[list[_Glob], Field(max_length=1000)] = Field(default_factory=list)
    speed: SpeedModel = SpeedModel()
    accuracy: AccuracyModel = AccuracyModel()
    unsure: Literal["pass", "fail"] = "pass"
    missing: Literal["pass", "fail"] = "pass"

    def gates(self, case: str) -> bool:
        """Whether a case of this name is checked."""
        chosen = any(fnmatch.fnmatchcase(case, each) for each in self.cases)
        return chosen and not any(fnmatch.fnmatchcase(case, each) for each in self.exclude)

    def bands(self, floors: Mapping[str, float], case_ids: Collection[str]) -> dict[str, float]:
        """case_id → the change that is none: the case's floor, or what the policy ignores where that is more. A case
        without either stays without: the notes of a comparison count them."""
        lowest = self.speed.ignore_below
        wide = case_ids if lowest > MIN_EFFECT else floors
        return {case_id: max(lowest, floors.get(case_id, 0.0)) for case_id in wide}

    @property
    def figures(self) -> Figures:
        tolerances = tuple(Tolerance(each.case, each.figure, each.absolute) for each in self.accuracy.tolerances)
        return Figures(tuple(self.accuracy.figures), tolerances)


def load_policy(path: Path | None) -> Policy:
    """Read and check a policy, the defaults where ``path`` is None.

    Raises PolicyError: up to ten problems, each ``file:line:column: where: rule (got …); remedy``.
    """
    if path is None:
        return Policy()
    try:
        document = read_document(path)
        try:
            policy = Policy.model_validate(document.value)
        except ValidationError as error:
            problems: list[Any] = error.errors(include_url=False)
            raise explain(document, Policy, problems) from None
        for index, tolerance in enumerate(policy.accuracy.tolerances):
            if not any(fnmatch.fnmatchcase(name, tolerance.figure) for name in FIGURES):
                rule = f"must match a compared figure (got '{tolerance.figure}')"
                place = ("accuracy", "tolerances", index, "figure")
                raise document.error(place, f"{rule}; they are {', '.join(FIGURES)}")
    except SuiteError as error:
        raise PolicyError(str(error)) from None
    return policy

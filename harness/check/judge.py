"""A comparison and a policy → what regressed. The worst kind gives the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.check.policy import Policy
from harness.compare.export import figure_words, ratio_words
from harness.compare.result import Accuracy, CaseComparison, Comparison, Conformance
from harness.verdict import Change


class Kind(StrEnum):
    """What is wrong with a case."""

    BROKEN = "broken"
    LESS_ACCURATE = "less_accurate"
    SLOWER = "slower"
    MISSING = "missing"
    UNSURE = "unsure"


_EXIT_CODES: dict[Kind, int] = {
    Kind.BROKEN: 3,
    Kind.LESS_ACCURATE: 3,
    Kind.SLOWER: 2,
    Kind.MISSING: 4,
    Kind.UNSURE: 4,
}
"""In order: the first kind that is there decides."""


@dataclass(frozen=True)
class Finding:
    """One case that fails the check, and why, in words."""

    kind: Kind
    case_id: str
    case: str
    words: str


@dataclass(frozen=True)
class CheckResult:
    """``checked``: (case_id, case) of all cases that the policy gates and both sides have."""

    comparison: Comparison
    checked: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 fine · 2 slower · 3 less accurate or not conforming · 4 unsure or missing, where the policy asks."""
        kinds = {finding.kind for finding in self.findings}
        return next((code for kind, code in _EXIT_CODES.items() if kind in kinds), 0)

    @property
    def slower(self) -> tuple[str, ...]:
        """Case ids of what is slower."""
        return tuple(finding.case_id for finding in self.findings if finding.kind is Kind.SLOWER)

    @property
    def counts(self) -> Counter[Kind]:
        return Counter(finding.kind for finding in self.findings)


def confirmed(result: CheckResult, again: CheckResult) -> CheckResult:
    """``result`` without the cases that a second run, ``again``, does not find slower too: what slowed one night for its own
    reasons does not do so twice. Accuracy and conformance need no second look."""
    twice = {finding.case_id for finding in again.findings if finding.kind is Kind.SLOWER}
    kept = [each for each in result.findings if each.kind is not Kind.SLOWER or each.case_id in twice]
    gone = len(result.findings) - len(kept)
    note = [f"{gone} cases were slower and, measured again, were not"] if gone else []
    comparison = replace(result.comparison, notes=(*result.comparison.notes, *note))
    return CheckResult(comparison, result.checked, tuple(kept))


def check_comparison(comparison: Comparison, policy: Policy) -> CheckResult:
    """Judge the cases that ``policy`` gates. Pitfalls, which are wrong on purpose, are not gated."""
    gated = [case for case in comparison.cases if policy.gates(case.case) and not case.is_pitfall]
    findings = [finding for case in gated for finding in _of_case(case, policy)]
    if policy.missing == "fail":
        gone = [name for name in comparison.removed if policy.gates(name.case) and name.status == "ok"]
        findings += [
            Finding(Kind.MISSING, name.case_id, name.case, "is in the baseline and was not run") for name in gone
        ]
    order = list(_EXIT_CODES)
    findings.sort(key=lambda finding: (order.index(finding.kind), finding.case))
    return CheckResult(comparison, tuple((case.case_id, case.case) for case in gated), tuple(findings))


def _of_case(case: CaseComparison, policy: Policy) -> Iterator[Finding]:
    def found(kind: Kind, words: str) -> Finding:
        return Finding(kind, case.case_id, case.case, words)

    if case.conformance is Conformance.BROKEN:
        yield found(Kind.BROKEN, f"was ok, is {case.status_b}" + (f": {case.reason}" if case.reason else ""))
        return
    if case.accuracy is Accuracy.WORSE:
        yield found(Kind.LESS_ACCURATE, figure_words(case.figures))
    if case.speed is None or not policy.speed.gate:
        return
    if case.speed.verdict is Change.SLOWER:
        yield found(Kind.SLOWER, f"takes {ratio_words(case)} times as long")
    elif case.speed.verdict is Change.UNSURE and policy.unsure == "fail":
        yield found(Kind.UNSURE, case.speed.reason or f"takes {ratio_words(case)} times as long, or not")

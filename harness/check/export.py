"""A check as JUnit XML, as Markdown for a job's summary, and as JSON."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict
from typing import Any

from harness.check.judge import CheckResult
from harness.compare.export import cell, jsonable, markdown_table, to_json

# XML 1.0, 2.2: what a document cannot hold even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def headline(result: CheckResult) -> str:
    """How many cases were checked, and how they fared."""
    if not result.findings:
        return f"{len(result.checked)} cases checked, nothing regressed"
    counts = ", ".join(f"{count} {str(kind).replace('_', ' ')}" for kind, count in result.counts.items())
    return f"{len(result.checked)} cases checked: {counts}"


def to_junit(result: CheckResult) -> str:
    """A test suite with a test a case, the format that CI servers read; a case that fails in two ways has both in one test.

    Source: the de-facto schema of Apache Ant's JUnit task, as Jenkins and GitLab document it.
    """
    failures: dict[str, list[str]] = {}
    names = dict(result.checked)
    for finding in result.findings:
        names.setdefault(finding.case_id, finding.case)
        failures.setdefault(finding.case_id, []).append(f"{finding.kind}: {finding.words}")
    total = {"tests": str(len(names)), "failures": str(len(failures)), "errors": "0"}
    root = ET.Element("testsuites", total)
    suite = ET.SubElement(root, "testsuite", {"name": "harness check", **total})
    for case_id, case in names.items():
        test = ET.SubElement(suite, "testcase", {"classname": "harness", "name": _clean(case)})
        if case_id in failures:
            words = _clean("\n".join(failures[case_id]))
            ET.SubElement(test, "failure", {"message": words.partition("\n")[0]}).text = words
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)


def check_markdown(result: CheckResult) -> str:
    """For a job's summary."""
    comparison = result.comparison
    lines = [f"## {cell(comparison.b)} against {cell(comparison.a)}", "", headline(result), ""]
    if result.findings:
        rows = [(str(each.kind).replace("_", " "), each.case, each.words) for each in result.findings]
        lines += [*markdown_table(("what", "case", "how"), rows), ""]
    if comparison.notes:
        lines += ["### Notes", "", *(f"- {cell(note)}" for note in comparison.notes), ""]
    return "\n".join(lines)


def check_json(result: CheckResult) -> dict[str, Any]:
    """The findings, with the comparison that they come from."""
    findings = [{**asdict(each), "kind": str(each.kind)} for each in result.findings]
    made = {"exit_code": result.exit_code, "checked": len(result.checked), "findings": findings}
    return {**made, "comparison": jsonable(to_json(result.comparison))}

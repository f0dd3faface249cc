"""The documentation says what the code does."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from harness.kernels import KERNELS
from harness.numerics.formats import FORMATS
from harness.numerics.metrics import METRICS
from harness.suite import json_schema, load_suite

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def test_reference_is_current():
    made = runpy.run_path(str(DOCS / "make_reference.py"))["reference"]()
    assert (DOCS / "reference.md").read_text() == made, "run python docs/make_reference.py"


def test_every_kernel_format_and_metric_is_documented():
    text = (DOCS / "reference.md").read_text()
    for name in (*(spec.name for spec in KERNELS), *FORMATS, *METRICS):
        assert f"| {name} |" in text


def test_schema_beside_the_suites_is_current():
    committed = json.loads((ROOT / "suites" / "suite.schema.json").read_text())
    made = json.loads(json.dumps(json_schema()))
    assert _without_plugins(committed) == _without_plugins(made), "run harness schema -o suites/suite.schema.json"


def _without_plugins(value):
    """The schema without kernels that the tests' plug-in adds."""
    own = {spec.name for spec in KERNELS}
    if isinstance(value, dict):
        return {key: _without_plugins(inner) for key, inner in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(each, str) for each in value) and own & set(value):
            return [each for each in value if each in own]
        return [_without_plugins(each) for each in value]
    return value


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_the_suite_in_the_documentation_loads():
    import yaml

    block = re.search(r"```yaml\n(.*?)```", (DOCS / "suites.md").read_text(), re.DOTALL)
    assert load_suite(yaml.safe_load(block.group(1))).op == "gemm"


def test_reference_results_are_current():
    page = runpy.run_path(str(DOCS / "make_results.py"))
    readme = (ROOT / "README.md").read_text()
    made = page["table"](page["reference_results"]())
    assert made.count("\n| ") >= 10
    assert page["with_table"](readme, made) == readme, "run python docs/make_results.py"

"""``.ci/nightly`` on the CPU: a quiet night, an injected slowdown, an injected error; and the workflows that call it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_runs import run_id

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SUITE = """\
name: paced
op: quantize
shapes: [{name: s, rows: 4, cols: 8}]
matrix: {kernel: paced, format: [int8, int4]}
measure: {l2: hot, min_samples: 20, max_samples: 40, min_time_s: 0.1, max_time_s: 1.0}
"""


def night(folder: Path, name: str, **environment: str) -> tuple[int, Path, str]:
    """The exit code of a night, its artefacts, and what it said."""
    settings = {
        "HARNESS_PLUGINS": "paced_kernel",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]),
        "PYTHON": sys.executable,
        "HARNESS_DEVICE": "cpu",
        # Sleeps on a busy machine are late by some: the slowdown of the test is of 100 %.
        "HARNESS_POLICY": str(folder / "policy.yaml"),
    }
    words = [ROOT / ".ci" / "nightly", folder / "history", folder / name, folder / "paced.yaml"]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, **settings, **environment}, cwd=folder, timeout=300
    )
    return done.returncode, folder / name, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The first night, and twelve made from it that lie before."""
    made = tmp_path_factory.mktemp("nightly")
    (made / "paced.yaml").write_text(SUITE)
    (made / "policy.yaml").write_text("speed: {ignore_below: 0.4}\n")
    code, artefacts, said = night(made, "first")
    assert code == 0, said
    assert "the first night" in (artefacts / "summary.md").read_text()
    (results,) = [path for path in (made / "history" / "paced").glob("*.parquet") if "samples" not in path.name]
    table = pq.read_table(results)
    rng = np.random.default_rng(0)
    for day in range(12):
        rows = table.to_pylist()
        for row in rows:
            row |= {"run_id": run_id(day), "time_s": row["time_s"] * float(np.exp(0.01 * rng.standard_normal()))}
        pq.write_table(pa.Table.from_pylist(rows, table.schema), results.with_name(f"{run_id(day)}.parquet"))
    return made


def test_a_quiet_night(folder):
    code, artefacts, said = night(folder, "quiet")
    assert code == 0, said
    assert "2 cases checked, nothing regressed" in (artefacts / "summary.md").read_text()
    assert (artefacts / "site" / "history.html").is_file()
    assert ET.parse(artefacts / "paced" / "junit.xml").getroot().get("failures") == "0"


def test_an_injected_slowdown_is_two(folder, tmp_path):
    code, artefacts, said = night(folder, "slow", PACED_S="0.004", GITHUB_STEP_SUMMARY=str(tmp_path / "step.md"))
    assert code == 2, said
    summary = (artefacts / "summary.md").read_text()
    assert "2 cases checked: 2 slower" in summary
    assert (tmp_path / "step.md").read_text() == summary
    assert (artefacts / "again" / "paced").is_dir()
    assert ET.parse(artefacts / "paced" / "junit.xml").getroot().get("failures") == "2"


def test_an_injected_error_is_three(folder):
    code, artefacts, said = night(folder, "wrong", PACED_WRONG="1", PACED_S="0.004")
    assert code == 3, said
    assert "2 broken" in (artefacts / "summary.md").read_text()


def test_a_suite_that_cannot_be_run_is_one_and_the_others_go_on(folder):
    (folder / "broken.yaml").write_text("name: broken\n")
    environment = {"PYTHON": sys.executable, "HARNESS_DEVICE": "cpu", "HARNESS_PLUGINS": "paced_kernel"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    environment["HARNESS_POLICY"] = str(folder / "policy.yaml")
    words = [
        ROOT / ".ci" / "nightly",
        folder / "history",
        folder / "one",
        folder / "broken.yaml",
        folder / "paced.yaml",
    ]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    summary = (folder / "one" / "summary.md").read_text()
    assert "could not be run" in summary
    assert "2 cases checked" in summary


def test_without_arguments_it_says_how_it_is_called():
    done = subprocess.run([ROOT / ".ci" / "nightly"], capture_output=True, text=True)
    assert done.returncode == 1
    assert ".ci/nightly HISTORY ARTEFACTS SUITE..." in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_well_formed(path):
    """What actionlint, which CI runs, finds too: here without a network."""
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow) <= {
        "name",
        True,
        "permissions",
        "concurrency",
        "jobs",
        "env",
        "defaults",
    }  # `on` is YAML's true
    jobs = workflow["jobs"]
    for job in jobs.values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
        assert set(job.get("needs", [])) <= set(jobs)
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), step
            if "uses" in step:
                assert re.search(r"@v\d+$|:\d+\.\d+\.\d+$", step["uses"]), step["uses"]
                continue
            # Values of the event enter scripts as variables, never as text.
            assert "${{" not in step["run"]
            checked = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
            for name in re.findall(r"(?<!\S)(\.ci/\w+|suites/\w+\.yaml)", step["run"]):
                assert (ROOT / name).exists(), name
    for name in re.findall(r"suites/\w+\.yaml", path.read_text()):
        assert (ROOT / name).exists(), name


def test_workflows_fit_the_schema():
    """Of the JSON Schema Store; and what docs/nightly.md gives to GitLab that of GitLab."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run([*check, "vendor.github-workflows", *WORKFLOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    text = (ROOT / "docs" / "nightly.md").read_text()
    (snippet,) = re.findall(r"```yaml\n(nightly:.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [*check, "vendor.gitlab-ci", "-"], input=json.dumps(yaml.safe_load(snippet)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_labels_of_runners_are_known_to_actionlint():
    known = yaml.safe_load((ROOT / ".github" / "actionlint.yaml").read_text())["self-hosted-runner"]["labels"]
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            labels = job["runs-on"] if isinstance(job["runs-on"], list) else []
            assert set(labels) <= {"self-hosted", *known}


def test_the_script_is_sound_bash():
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "nightly"]).returncode == 0
    if (shellcheck := shutil.which("shellcheck")) is not None:
        done = subprocess.run([shellcheck, ROOT / ".ci" / "nightly"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

"""What the README says can be typed, is typed here (runs cut short)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.backends.cuda.device import absence

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
_INSTALLS = re.compile(r"pip install|pytest")
SHORT = {"run": ["--limit", "2", "--offline"], "selfcheck": ["--pairs", "10"], "profile": ["--dry-run"]}


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if part and not _INSTALLS.search(part)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    for name in ("suites", "dashboards"):  # with what a checkout has in them
        (folder / name).mkdir()
        for path in (ROOT / name).glob("*.yaml" if name == "suites" else "README.md"):
            shutil.copy(path, folder / name)
    return folder


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def test_the_first_commands_are_install_and_run():
    assert "pip install . && harness run suites/gemm.yaml" in README
    assert "pip install '.[test]' && pytest" in README


def test_commands(checkout):
    commands = _commands()
    assert any(command.startswith("harness run") for command in commands)
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "harness", command
        # A whole run takes minutes; a resumed one keeps the selection of the run that it goes on with.
        short = [] if "--resume" in words else SHORT.get(words[1], [])
        done = _run([sys.executable, "-m", "harness", *words[1:], *short], checkout)
        if words[1] == "profile" and absence() is not None:
            assert "needs a CUDA device" in done.stderr
        elif words[1] == "selfcheck":
            assert done.returncode in (0, 2), (
                f"{command}\n{done.stderr}"
            )  # what this machine is worth is not the test's
            assert "false verdicts: " in done.stdout
        else:
            assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_python_example(checkout):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = _run([sys.executable, "-c", example], checkout)
    assert done.returncode == 0, done.stderr
    assert "sqnr_db" in done.stdout

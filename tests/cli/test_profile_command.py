"""``harness profile``: the command line is printed, the tool is run, its exit code is passed on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from example_suites import CUDA, planned, product

from harness.backends.cuda.device import absence
from harness.cli import main
from harness.profiling import choice
from harness.profiling.profilers import Profiler

SUITE = product(matrix={"kernel": "dp4a", "scheme": "w8a8"})
(CASE,) = [case for case in planned(SUITE, CUDA) if case.skip is None]
FAKE_TOOL = """\
#!/bin/sh
printf '%s\\n' "$@" > "{log}"
exit {code}
"""


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    """A folder with a suite, a machine with a CUDA device, no tool on PATH."""
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(SUITE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choice, "cuda_device", lambda name: CUDA)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    find = Profiler.find
    monkeypatch.setattr(Profiler, "find", lambda self: find(self, tmp_path))


def _tool(name: str, code: int | str) -> Path:
    """Puts a tool on PATH that notes its arguments and ends with ``code``."""
    log = Path.cwd() / "arguments"
    path = Path("bin") / name
    path.parent.mkdir()
    path.write_text(FAKE_TOOL.format(log=log, code=code))
    path.chmod(0o755)
    return log


def _exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(["profile", "s.yaml", *arguments])
    return caught.value.code


@pytest.mark.parametrize(
    ("tool", "words"), [("ncu", ["--nvtx-include", "profile/launch"]), ("nsys", ["--trace=cuda,nvtx"])]
)
def test_the_tool_runs_the_target(tool, words, capfd):
    log = _tool(tool, 0)
    assert _exit_code("*dp4a*", "--tool", tool, "--launches", "5", "--out", "reports/mine") == 0
    arguments = log.read_text().splitlines()
    assert set(words) <= set(arguments)
    start = arguments.index(sys.executable)
    assert arguments[start:][-6:] == ["s.yaml", CASE.case_id, "--device", "cuda:0", "--launches", "5"]
    shown = capfd.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert shown.out.startswith(str(Path.cwd() / "bin" / tool))
    assert f"report: reports/mine.{tool}-rep" in shown.err
    assert Path("reports").is_dir()


def test_reports_are_named_by_the_case(capfd):
    _tool("ncu", 0)
    assert _exit_code(CASE.name) == 0
    assert f"--export results/profiles/{CASE.case_id}.ncu-rep" in capfd.readouterr().out
    assert Path("results/profiles").is_dir()


@pytest.mark.parametrize(
    ("ending", "passed"), [("1", 1), ("9", 9), ("$(kill -TERM $$)", 128 + 15)], ids=["1", "9", "signal"]
)
def test_the_exit_code_is_passed_on(ending, passed, capfd):
    _tool("ncu", ending)
    assert _exit_code("*dp4a*") == passed
    assert "report:" not in capfd.readouterr().err


def test_a_tool_that_is_not_there(capfd):
    assert _exit_code("*dp4a*") == 1
    shown = capfd.readouterr()
    assert shown.out.startswith("ncu --nvtx ")
    assert "--tool: ncu must be on PATH" in shown.err
    assert "install NVIDIA Nsight Compute" in shown.err
    assert not Path("results").exists()


def test_a_dry_run_prints_and_runs_nothing(capfd):
    log = _tool("nsys", 1)
    assert _exit_code("*dp4a*", "--tool", "nsys", "--dry-run") == 0
    assert "nsys profile --trace=cuda,nvtx" in capfd.readouterr().out
    assert not log.exists()
    assert not Path("results").exists()


def test_a_dry_run_needs_no_tool(capfd):
    assert _exit_code("*dp4a*", "--dry-run") == 0
    assert capfd.readouterr().out.startswith("ncu --nvtx ")


def test_a_folder_that_cannot_be_made(capfd):
    _tool("ncu", 0)
    assert _exit_code("*dp4a*", "--out", "s.yaml/x") == 1
    assert "--out: its folder must be writable (got s.yaml" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "CASE: must mean a case of the suite"),
        (["*dp4a*", "--launches", "0"], "--launches"),
        (["*dp4a*", "--tool", "perf"], "--tool"),
        ([], "Missing argument"),
    ],
)
def test_what_is_refused(arguments, words, capfd):
    assert _exit_code(*arguments) == 1
    assert words in capfd.readouterr().err


@pytest.mark.skipif(absence() is None, reason="there is a CUDA device")
def test_a_machine_without_cuda():
    command = [sys.executable, "-m", "harness", "profile", "s.yaml", "*"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "profile: needs a CUDA device (got none" in done.stderr
    assert "Traceback" not in done.stderr

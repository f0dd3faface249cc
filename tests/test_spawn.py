"""A worker's process that is started before anybody knows what for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.backends import find_device
from harness.errors import SuiteError
from harness.options import RunOptions
from harness.runner import run_suite
from harness.spawn import spawn
from harness.supervise import Supervisor


def test_it_ends_quietly_with_its_connection() -> None:
    spawned = spawn()
    spawned.connection.close()
    assert spawned.process.wait(60) == 0
    spawned.output.seek(0)
    assert spawned.output.read() == b""
    spawned.end()


def test_the_first_worker_is_the_one_that_was_spawned() -> None:
    spawned = spawn()
    with Supervisor(find_device("cpu"), case_timeout_s=1, spawned=spawned) as supervisor:
        supervisor.assign()
        assert spawned.connection.poll(60)
        assert spawned.process.poll() is None
    assert spawned.process.poll() is not None


def test_it_is_ended_where_the_suite_is_refused(tmp_path) -> None:
    spawned = spawn()
    with pytest.raises(SuiteError):
        run_suite({"name": "bad"}, RunOptions(out=tmp_path), spawned=spawned)
    assert spawned.process.poll() is not None


def test_spawning_imports_nothing_heavy() -> None:
    """Else the parent's own imports would come before the worker's, not beside them."""
    heavy = "{'numpy', 'pandas', 'pyarrow', 'pydantic', 'onnx'}"
    code = f"import sys, harness.spawn; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"

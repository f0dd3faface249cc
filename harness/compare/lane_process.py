"""The comparing side of a lane (``lane.py``): start its process, ask it, end it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.errors import HarnessError
from harness.timing.stopwatch import MachineState, Round

_SCRIPT = Path(__file__).with_name("lane.py")
_ANSWER_S = 600.0
"""A lane that is silent for longer is ended."""


class LaneError(HarnessError):
    """What was asked went wrong in the lane, or the lane is no more."""


def is_checkout(path: Path) -> bool:
    """Whether a folder holds this package's source."""
    return (path / "harness" / "__init__.py").is_file()


class Lane:
    """A process that runs the package in ``checkout``. Use as a context manager; ``restart`` after a LaneError."""

    def __init__(self, checkout: Path, suite: Path, device: str, filters: list[str], *, offline: bool) -> None:
        self.checkout = checkout
        self.cases: dict[str, dict[str, Any]] = {}
        self._opening = ("open", str(suite.resolve()), device, filters, offline)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def restart(self) -> None:
        """A fresh process. Raises LaneError where the checkout's package cannot do what is asked."""
        self.end()
        self._connection, theirs = multiprocessing.Pipe(duplex=True)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        paths = [str(self.checkout.resolve()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_SCRIPT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        opened = self.ask(*self._opening)
        if not Path(opened["package"]).resolve().is_relative_to((self.checkout / "harness").resolve()):
            self.end()
            raise LaneError(
                f"{self.checkout}: its package must be what runs (got {opened['package']}); check PYTHONPATH"
            )
        self.cases = opened["cases"]

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer to a request. Raises LaneError for one that failed, and where the process died or is silent."""
        try:
            self._connection.send((name, *arguments))
            if not self._connection.poll(_ANSWER_S):
                self.end()
                raise LaneError(f"{self.checkout}: no answer within {_ANSWER_S:g} s")
            kind, value = self._connection.recv()
        except (EOFError, OSError):
            words = self._last_words()
            self.end()
            raise LaneError(f"{self.checkout}: its process ended ({words})") from None
        if kind == "error":
            raise LaneError(f"{self.checkout}: {value}")
        return value

    def _last_words(self) -> str:
        assert self._process is not None
        code = self._process.wait(timeout=10)
        self._output.seek(0)
        lines = [line for line in self._output.read().decode(errors="replace").splitlines() if line.strip()]
        return f"exit code {code}" + (f": {lines[-1][:300]}" if lines else "")

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._process.kill()
            self._process.wait()
            self._output.close()
        self._process = None

    @property
    def alive(self) -> bool:
        return self._process is not None


class LaneStopwatch:
    """The stopwatch of the case that a lane has prepared."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def clock(self) -> float:
        return float(self._lane.ask("clock"))

    def warm_up(self, deadline: float) -> bool | None:
        self._lane.ask("warm_up", deadline)
        return None

    def rest(self, most_s: float) -> None:
        self._lane.ask("rest", most_s)

    def round(self, most: int) -> Round:
        return Round(np.array(self._lane.ask("round", most)), 1, MachineState())

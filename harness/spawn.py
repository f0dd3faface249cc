"""Start the process of a worker. Imports little, so that a worker's own imports can begin before all of the parent's."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import site
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""glibc's: large arrays are not mapped anew each time. A worker makes and drops them case after case, and to have every page
of each given by the system again took half of the time that operands take to prepare (on a virtual machine, more)."""


@dataclass(frozen=True, eq=False)
class Spawned:
    """A worker's process, the parent's end of the connection to it, and what it writes. It waits for its Assignment,
    has touched no device, and ends with the connection."""

    process: subprocess.Popen[bytes]
    connection: Connection
    output: IO[bytes]

    def end(self) -> None:
        """End it now, if it has not ended."""
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.kill()
        self.process.wait()
        self.output.close()


def spawn() -> Spawned:
    """A new process."""
    ours, theirs = multiprocessing.Pipe(duplex=True)
    output = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the worker)
    with theirs:
        process = subprocess.Popen(
            # -P: a folder named harness in the current one must not take this package's place
            [sys.executable, "-P", "-m", "harness.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**_KEEP_MEMORY, **os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())},
        )
    return Spawned(process, ours, output)


def imports_from_here() -> bool:
    """Whether this process imports from the current folder, as ``python -m`` does."""
    return "" in sys.path or str(Path.cwd()) in sys.path


def _import_paths() -> list[str]:
    """What the parent imports from besides what every interpreter does, this package's folder first."""
    installed = {Path(entry) for entry in (*site.getsitepackages(), site.getusersitepackages())}
    own = [Path(__file__).resolve().parent.parent]
    if imports_from_here():
        own.append(Path.cwd())
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [str(entry) for entry in own if entry not in installed] + [entry for entry in given if entry]

"""The worker process: takes cases from its parent, runs them, sends outcomes back.

Started as ``python -m harness.worker FD``, FD being one end of a socket pair. A fresh interpreter needs no
``if __name__ == "__main__"`` in a user's script and shares no state with the parent. The worker ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection

from harness.assignment import READY, Assignment, Reply
from harness.backends import BACKENDS
from harness.case import Case
from harness.device import Device
from harness.errors import CompileError, DataError, HarnessError, first_line
from harness.execute import execute, tensors_on
from harness.kernels.spec import load_attribute
from harness.kernels.tensors import Tensors
from harness.record import Outcome, Status

_PR_SET_PDEATHSIG = 1
_LOG_LENGTH = 4000  # of a compiler's log: its first errors say what is wrong
_ALLOCATION_WORDS = ("bad allocation", "bad_alloc", "failed to allocate", "out of memory", "cannot allocate memory")


_SUSPECT = frozenset({Status.RUNTIME_ERROR, Status.OUT_OF_MEMORY})
"""After these the device is asked whether it can go on."""


def attempt(case: Case, device: Device, tensors: Tensors, *, energy: bool = False) -> Outcome:
    """The outcome of a case, exceptions turned into statuses. The only place that does so."""
    try:
        return execute(case, device, tensors, energy=energy)
    except DataError as error:
        return Outcome(Status.SKIPPED, str(error))
    except CompileError as error:
        return Outcome(Status.COMPILE_ERROR, str(error)[:_LOG_LENGTH])
    except HarnessError as error:
        return Outcome(Status.RUNTIME_ERROR, str(error))
    except MemoryError as error:
        return Outcome(Status.OUT_OF_MEMORY, first_line(error) or "an allocation failed")
    except Exception as error:
        text = first_line(error)
        if any(words in text.lower() for words in _ALLOCATION_WORDS):
            return Outcome(Status.OUT_OF_MEMORY, text)
        return Outcome(Status.RUNTIME_ERROR, f"{type(error).__name__}: {text}")


def _end_with_parent(parent: int) -> None:
    """Be killed when the parent goes, whatever this process is doing then."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:  # where there is no such signal, and for a parent that went before it was asked for
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _limit_memory(device: Device) -> None:
    """Let allocations beyond the device's share fail in this process, before the system ends some other one."""
    if device.backend == "cpu" and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = device.memory_bytes if hard == resource.RLIM_INFINITY else min(device.memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def serve(connection: Connection) -> None:
    """Take an Assignment, then cases until None or the end of the connection."""
    try:
        assignment: Assignment = connection.recv()
    except EOFError:  # there is nothing to do after all
        return
    _end_with_parent(assignment.parent)
    _limit_memory(assignment.device)
    backend = BACKENDS[assignment.device.backend]
    tensors = tensors_on(assignment.device, offline=assignment.offline)
    load_attribute(backend.timer)  # imported while the parent goes on
    if backend.warm_up:
        with contextlib.suppress(Exception):  # what is wrong with the device shows in the first case
            load_attribute(backend.warm_up)(assignment.device)
    connection.send(READY)
    while True:
        try:
            case: Case | None = connection.recv()
        except EOFError:
            return
        if case is None:
            return
        outcome = attempt(case, assignment.device, tensors, energy=assignment.energy)
        fit = outcome.status not in _SUSPECT or backend.is_usable(assignment.device)
        connection.send(Reply(outcome, fit))
        if not fit:
            os._exit(0)  # an orderly end would wait for a context that answers nothing but errors


def main() -> None:
    """Entry point of the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable()
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()

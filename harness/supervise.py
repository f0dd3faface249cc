"""The parent's side of a worker process: start it, hand it a case, end it when it must be ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Self

from harness.assignment import READY, Assignment, Reply
from harness.case import Case
from harness.device import Device
from harness.errors import DeviceError
from harness.record import Outcome, Status
from harness.spawn import Spawned, spawn

_START_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 10.0
_STDERR_TAIL_BYTES = 4096


class Supervisor:
    """One worker at a time; a new one after each that died or was ended. Use as a context manager."""

    def __init__(
        self,
        device: Device,
        *,
        case_timeout_s: float,
        offline: bool = False,
        energy: bool = False,
        spawned: Spawned | None = None,
    ) -> None:
        """``spawned``: the first worker's process, where it is started already."""
        self._device, self._timeout, self._offline, self._energy = device, case_timeout_s, offline, energy
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ahead: Connection | None = None
        """Of a process that has not answered yet; ``_connection`` is of one that takes cases."""
        self._assigned = False
        self._stderr: IO[bytes] | None = None
        if spawned is not None:
            self._adopt(spawned)

    def _adopt(self, spawned: Spawned) -> None:
        self._process, self._ahead, self._stderr = spawned.process, spawned.connection, spawned.output

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._connection is not None and self._process is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._connection.send(None)  # an orderly end: profilers and checkers write their reports then
                self._process.wait(_END_TIMEOUT_S)
        self._stop()

    def assign(self) -> None:
        """Have a worker reach for its device now, while the caller goes on. ``run`` does so by itself."""
        if self._process is None:
            self._adopt(spawn())
        if self._ahead is not None and not self._assigned:
            self._assigned = True
            with contextlib.suppress(OSError):  # it has ended already: waiting for its answer says why
                self._ahead.send(Assignment(self._device, self._offline, self._energy, os.getpid()))

    def run(self, case: Case) -> Outcome:
        """The outcome of ``case``. A worker that dies or hangs costs its case only.

        Raises DeviceError when no worker can be started.
        """
        connection = self._connection or self._start()
        kills_before = _kernel_oom_kills()
        expired = False
        try:
            with self._deadline(self._timeout) as over:
                connection.send(case)
                reply = connection.recv()
        except (EOFError, OSError):
            expired = over.is_set()
            if not expired:
                return self._death(kills_before)
        except Exception as error:  # a kernel that writes where it must not can spoil the reply, or send one of its own
            reply = error
        if expired:
            self._stop()
            return Outcome(Status.TIMEOUT, f"ended after {self._timeout:g} s (--case-timeout)")
        if not isinstance(reply, Reply):
            self._stop()
            return Outcome(Status.CRASHED, f"the worker's reply cannot be read (got {reply!r:.200})")
        if not reply.fit:
            self._stop()
        return reply.outcome

    def _start(self) -> Connection:
        """A worker that takes cases."""
        self.assign()
        assert self._ahead is not None
        try:
            with self._deadline(_START_TIMEOUT_S) as over:
                answer = self._ahead.recv()
            if answer == READY:
                self._connection, self._ahead = self._ahead, None
                return self._connection
            reason = f"{answer!r:.200}"
        except (EOFError, OSError):
            late = f"no answer within {_START_TIMEOUT_S:g} s"
            reason = late if over.is_set() else self._last_words() or "it ended at once"
        self._stop()
        raise DeviceError(f"worker: must start on {self._device.name} (got: {reason}); run `harness doctor`")

    @contextlib.contextmanager
    def _deadline(self, length_s: float) -> Iterator[threading.Event]:
        """The worker is killed if what runs inside takes longer, whatever it waits for: a reply may stop in its middle.
        Yields what is set then."""
        assert self._process is not None
        over, process = threading.Event(), self._process

        def end() -> None:
            over.set()
            process.kill()

        timer = threading.Timer(length_s, end)
        timer.daemon = True
        timer.start()
        try:
            yield over
        finally:
            timer.cancel()

    def _death(self, kills_before: int) -> Outcome:
        assert self._process is not None
        code = self._process.wait()
        words = self._last_words()
        self._stop()
        if code == -signal.SIGKILL and _kernel_oom_kills() > kills_before:
            return Outcome(Status.OUT_OF_MEMORY, "the system ended the worker for want of memory")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Outcome(Status.CRASHED, f"the worker ended with {how}" + (f": {words}" if words else ""))

    def _last_words(self) -> str:
        """The most telling line of what the worker wrote: a fatal error's, else the last."""
        if self._stderr is None:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
        lines = [line.strip() for line in self._stderr.read().decode(errors="replace").splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        return (fatal or lines or [""])[-1][:300]

    def _stop(self) -> None:
        """End the worker now, if there is one."""
        for connection in (self._connection, self._ahead):
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._stderr is not None:
            self._stderr.close()
        self._process = self._connection = self._ahead = self._stderr = None
        self._assigned = False


def _kernel_oom_kills() -> int:
    """How many processes this kernel has ended for want of memory (0 where it does not say)."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    counts = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    return int(counts.get("oom_kill", 0))

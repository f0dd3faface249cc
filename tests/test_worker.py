"""The worker's loop and what the parent does with its replies, without a process: what ends a worker, what it answers."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest
from example_suites import planned, tensor

import harness.supervise as supervise
import harness.worker as worker
from harness.assignment import READY, Assignment, Reply
from harness.backends import BACKENDS
from harness.device import Device
from harness.errors import CompileError, DataError, DeviceError, HarnessError
from harness.record import Outcome, Status
from harness.supervise import Supervisor

DEVICE = Device("cpu", "cpu", "test", "x86_64", 1 << 40)
ASKED: list[Device] = []
"""Devices that were asked whether they can go on."""


def usable(device: Device) -> bool:
    ASKED.append(device)
    return True


def unusable(device: Device) -> bool:
    ASKED.append(device)
    return False


def product(device: Device, a: Any, b: Any) -> Any:
    return device.name, a @ b.T


class Connection:
    """The worker's end: what it receives, in order, and what it sends."""

    def __init__(self, *received: Any) -> None:
        self._received = list(received)
        self.sent: list[Any] = []

    def recv(self) -> Any:
        if not self._received:
            raise EOFError
        return self._received.pop(0)

    def send(self, value: Any) -> None:
        self.sent.append(value)


@pytest.fixture(autouse=True)
def this_process(monkeypatch):
    """What a worker does to its own process is not done to that of the tests."""
    monkeypatch.setattr(worker, "_end_with_parent", lambda parent: None)
    monkeypatch.setattr(worker, "_limit_memory", lambda device: None)

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", ended)
    ASKED.clear()


@pytest.fixture
def backend(monkeypatch):
    """Makes the CPU a backend whose attributes are those of this module that are named."""

    def make(**names: str) -> None:
        entries = {field: f"{__name__}:{name}" for field, name in names.items()}
        monkeypatch.setitem(BACKENDS, "cpu", dataclasses.replace(BACKENDS["cpu"], **entries))

    return make


@pytest.fixture
def outcomes(monkeypatch):
    """Makes cases end so, one after the other: a status, or an exception that is raised."""

    def make(*ends: Status | Exception) -> None:
        waiting = list(ends)

        def execute(case: Any, device: Device, tensors: Any, *, energy: bool) -> Outcome:
            end = waiting.pop(0)
            if isinstance(end, Exception):
                raise end
            return Outcome(end)

        monkeypatch.setattr(worker, "execute", execute)

    return make


def _serve(*cases: Any) -> list[Any]:
    """What the worker sends after it was ready."""
    connection = Connection(Assignment(DEVICE, offline=True, energy=False, parent=os.getpid()), *cases)
    try:
        worker.serve(connection)
    except SystemExit as ended:
        connection.sent.append(ended.code)
    ready, *replies = connection.sent
    assert ready == READY
    return replies


CASE = object()
FAILURE = RuntimeError("an illegal memory access was encountered")


@pytest.mark.parametrize("last", [(), (None,)], ids=["end of the connection", "None"])
def test_one_reply_a_case_until_the_end(outcomes, last):
    outcomes(Status.OK, Status.INACCURATE, Status.OK)
    replies = _serve(CASE, CASE, CASE, *last)
    assert [(reply.outcome.status, reply.fit) for reply in replies] == [
        (Status.OK, True),
        (Status.INACCURATE, True),
        (Status.OK, True),
    ]


def test_a_real_case():
    (case,) = planned(tensor(measure={"l2": "hot", "min_samples": 1}), DEVICE)
    (reply,) = _serve(case)
    assert (reply.outcome.status, reply.fit) == (Status.OK, True)


def test_an_unusable_device_is_answered_as_unfit_and_ends_the_worker(backend, outcomes):
    backend(usable="unusable")
    outcomes(FAILURE, Status.OK)
    reply, code = _serve(CASE, CASE)
    assert reply.outcome.status is Status.RUNTIME_ERROR
    assert reply.outcome.reason == f"RuntimeError: {FAILURE}"
    assert not reply.fit
    assert code == 0
    assert ASKED == [DEVICE]


def test_a_usable_device_goes_on(backend, outcomes):
    backend(usable="usable")
    outcomes(FAILURE, Status.OK)
    assert [(reply.outcome.status, reply.fit) for reply in _serve(CASE, CASE)] == [
        (Status.RUNTIME_ERROR, True),
        (Status.OK, True),
    ]
    assert ASKED == [DEVICE]


def test_a_backend_that_cannot_tell_goes_on(outcomes):
    outcomes(FAILURE, Status.OK)
    assert [reply.fit for reply in _serve(CASE, CASE)] == [True, True]


ENDS = {
    "ok": (Status.OK, Status.OK, None, False),
    "inaccurate": (Status.INACCURATE, Status.INACCURATE, None, False),
    "no data": (DataError("no file"), Status.SKIPPED, "no file", False),
    "does not compile": (CompileError("k.cu(1): error"), Status.COMPILE_ERROR, "k.cu(1): error", False),
    "a long log": (CompileError("x" * 9000), Status.COMPILE_ERROR, "x" * 4000, False),
    "an error of this package": (HarnessError("rule (got x)"), Status.RUNTIME_ERROR, "rule (got x)", True),
    "any other": (ValueError("first\nsecond"), Status.RUNTIME_ERROR, "ValueError: first", True),
    "one without words": (ValueError(), Status.RUNTIME_ERROR, "ValueError: ", True),
    "no memory": (MemoryError(), Status.OUT_OF_MEMORY, "an allocation failed", True),
    "no memory of a library": (RuntimeError("CUDA: Out of memory"), Status.OUT_OF_MEMORY, "CUDA: Out of memory", True),
}


@pytest.mark.parametrize("label", ENDS)
def test_the_device_is_asked_after_failures_only(backend, outcomes, label):
    end, status, reason, asked = ENDS[label]
    backend(usable="unusable")
    outcomes(end)
    reply, *_ = _serve(CASE)
    assert (reply.outcome.status, reply.outcome.reason) == (status, reason)
    assert len(ASKED) == asked
    assert reply.fit != asked


@pytest.mark.parametrize("by_device", [False, True])
def test_products_are_made_on_the_device_where_it_can(backend, monkeypatch, by_device):
    if by_device:
        backend(product="product")
    seen = []
    monkeypatch.setattr(
        worker, "execute", lambda case, device, tensors, energy: seen.append(tensors.product) or Outcome(Status.OK)
    )
    _serve(CASE)
    a, b = np.eye(2), np.arange(4.0).reshape(2, 2)
    made = seen[0](a, b)
    name, values = made if by_device else (None, made)
    assert name == ("cpu" if by_device else None)
    assert np.array_equal(values, b.T)


# The parent's side


class Worker:
    """Stands for a worker's process and the parent's end of its connection: answers cases with these replies."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.cases: list[Any] = []
        self.ended = False

    def send(self, case: Any) -> None:
        assert not self.ended
        if case is not None:
            self.cases.append(case)

    def poll(self, timeout: float) -> bool:
        return True

    def recv(self) -> Reply:
        return self._replies.pop(0)

    def close(self) -> None:
        self.ended = True

    kill = close

    def wait(self, timeout: float | None = None) -> int:
        return 0


@pytest.fixture
def workers(monkeypatch):
    """Makes a supervisor start these, one after the other; returns those that it has started."""

    def make(*waiting: Worker) -> list[Worker]:
        left, started = list(waiting), []

        def start(self: Supervisor) -> Worker:
            started.append(left.pop(0))
            self._process = self._connection = started[-1]
            return started[-1]

        monkeypatch.setattr(supervise.Supervisor, "_start", start)
        return started

    return make


OK = Reply(Outcome(Status.OK))
UNFIT = Reply(Outcome(Status.RUNTIME_ERROR, "an illegal memory access"), fit=False)


def test_a_fit_worker_is_kept(workers):
    started = workers(Worker(OK, OK), Worker())
    with Supervisor(DEVICE, case_timeout_s=1) as supervisor:
        assert [supervisor.run(case).status for case in "ab"] == [Status.OK, Status.OK]
        assert [each.cases for each in started] == [["a", "b"]]
        assert not started[0].ended
    assert started[0].ended


def test_a_new_worker_comes_after_an_unfit_one(workers):
    started = workers(Worker(OK, UNFIT), Worker(UNFIT), Worker(OK))
    with Supervisor(DEVICE, case_timeout_s=1) as supervisor:
        found = [supervisor.run(case) for case in "abcd"]
    assert [outcome.status for outcome in found] == [Status.OK, *[Status.RUNTIME_ERROR] * 2, Status.OK]
    assert found[1] is UNFIT.outcome
    assert [each.cases for each in started] == [["a", "b"], ["c"], ["d"]]
    assert all(each.ended for each in started)


def test_no_worker_is_started_for_nothing(workers):
    started = workers(Worker(UNFIT), Worker())
    with Supervisor(DEVICE, case_timeout_s=1) as supervisor:
        supervisor.run("a")
    assert len(started) == 1


def test_a_device_error_is_the_run_s_not_a_case_s(workers, monkeypatch):
    workers(Worker(UNFIT))

    def no_more(self: Supervisor) -> Worker:
        raise DeviceError("worker: must start")

    with Supervisor(DEVICE, case_timeout_s=1) as supervisor:
        supervisor.run("a")
        monkeypatch.setattr(supervise.Supervisor, "_start", no_more)
        with pytest.raises(DeviceError):
            supervisor.run("b")

"""What becomes of a case whose kernel only seems to work, of a time that cannot be, and of what bounds a kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from example_suites import CPU, planned, tensor
from fake_stopwatch import timing_of

import harness.execute as module
from harness.backends import BACKENDS
from harness.execute import Prepared, execute
from harness.kernels import kernel as kernel_row
from harness.kernels.family import Verdict, Work
from harness.kernels.tensors import Tensors
from harness.peaks import Bound, Peaks
from harness.record import Status

CASE = planned(tensor(measure={"max_samples": 3}))[0]
RIGHT = np.arange(4.0)
PEAKS = Peaks("uuid", "13.0", "2026-01-01", 1e9, None, ())


class Family:
    """Right is what equals RIGHT."""

    def judge(self, problem: Any, output: Any) -> Verdict:
        return Verdict(None if np.array_equal(output, RIGHT) else f"wrong: {output.tolist()}")

    def accuracy(self, problem: Any, output: Any) -> dict[str, float]:
        return {"sqnr_db": 20.0}

    def work(self, problem: Any, output: Any) -> Work:
        return Work(1000, 0, 800)


class Kernel:
    """Right results; poison and a check of its operands as on a device. ``launches`` counts."""

    def __init__(self) -> None:
        self.launches, self.result, self.operand, self.outputs = 0, np.full(4, np.nan), "x", 0

    def launch(self) -> None:
        self.launches += 1
        self.result = RIGHT.copy()

    def output(self) -> Any:
        self.outputs += 1
        return self.result.copy()

    def poison(self) -> None:
        self.result[:] = np.nan

    def keep(self) -> None:
        self.kept = self.result.copy()

    def unchanged(self) -> bool:
        return np.array_equal(self.result, self.kept)

    def altered_operand(self) -> str | None:
        return None if self.operand == "x" else "x"


class Remembers(Kernel):
    """Launches after the fourth do nothing: the result is there already."""

    def launch(self) -> None:
        if self.launches < 4:
            super().launch()


class WrongLater(Kernel):
    """Right when it is checked, wrong when it is timed."""

    def launch(self) -> None:
        super().launch()
        if self.launches > 1:
            self.result[3] = 7


class NoRoom(Kernel):
    """Has no room to keep a result, so every one is judged on the host."""

    def unchanged(self) -> bool:
        return False


class Alters(Kernel):
    """Writes into what it reads."""

    def launch(self) -> None:
        super().launch()
        self.operand = "y"


class Wrong(Kernel):
    """Wrong at once."""

    def launch(self) -> None:
        super().launch()
        self.result[0] = 9


@pytest.fixture
def run(monkeypatch):
    """Execute the case with a kernel, a timer that launches three times, and what the backend knows of the device."""

    def go(kernel: Kernel, *, time_s: float = 1e-3, case: Any = CASE, measure_energy: bool = False, **row: Any) -> Any:
        def timer(timed: Kernel, measure: Any, *, max_samples: int | None) -> Any:
            for _ in range(3):
                timed.launch()
            return timing_of(time_s)

        attributes = {"timer": timer, **row}
        names = {name: name for name in attributes}
        monkeypatch.setitem(BACKENDS, "cpu", replace(BACKENDS["cpu"], **{"peaks": "", **names}))
        monkeypatch.setattr(module, "load_attribute", lambda name: attributes[name])
        spec = replace(kernel_row("quantize", "reference"), role="kernel")
        monkeypatch.setattr(module, "prepare", lambda *_: Prepared(spec, Family(), None, kernel))
        return execute(case, CPU, Tensors(), energy=measure_energy)

    return go


def test_a_sound_kernel(run):
    outcome = run(Kernel())
    assert (outcome.status, outcome.reason) == (Status.OK, None)
    assert outcome.timing.time_s == 1e-3
    assert 0 < outcome.measure_s < outcome.case_s
    assert outcome.energy_j is None
    assert outcome.bound is None


def test_what_stayed_the_same_on_the_device_is_not_fetched_again(run):
    kernels = Kernel(), NoRoom()
    assert [run(kernel).status for kernel in kernels] == [Status.OK] * 2
    assert [kernel.outputs for kernel in kernels] == [1, 3]


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (Wrong(), "wrong: [9.0, 1.0, 2.0, 3.0]"),
        (WrongLater(), "after timing: wrong: [0.0, 1.0, 2.0, 7.0]"),
        (Remembers(), "after timing: wrong: [nan, nan, nan, nan]"),
        (Alters(), "after timing: operand x is no longer what it was: the kernel writes into what it reads"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_kernel_that_only_seems_to_work_has_no_speed(run, kernel, reason):
    outcome = run(kernel)
    assert (outcome.status, outcome.reason) == (Status.INACCURATE, reason)
    assert outcome.timing is None


@pytest.mark.parametrize(("l2", "read_bytes"), [("cold", 800), ("hot", None)])
def test_reads_have_a_floor_where_caches_are_cold(run, l2, read_bytes):
    asked = []

    def floor(device: Any, read: int | None, ops: int, arithmetic: str | None) -> float:
        asked.append((read, ops, arithmetic))
        return 2e-3

    case = replace(CASE, measure=replace(CASE.measure, l2=l2))
    outcome = run(Kernel(), case=case, floor=floor)
    assert asked == [(read_bytes, 0, None)]
    assert outcome.status == Status.RUNTIME_ERROR
    assert outcome.reason.startswith("time: must be at least 0.002 s, what test needs by its data sheet (got 0.001 s)")
    assert outcome.timing is None
    assert run(Kernel(), time_s=2.5e-3, floor=floor).status == Status.OK


def test_a_device_without_a_data_sheet_has_no_floor(run):
    assert run(Kernel(), floor=lambda *_: None).status == Status.OK


@pytest.mark.parametrize(("l2", "expected"), [("cold", Bound("memory", 0.5, 0.5)), ("hot", None)])
def test_what_bounds_the_kernel(run, l2, expected):
    """What lies in the cache moves faster than memory: bytes are no bound of hot cases."""
    case = replace(CASE, measure=replace(CASE.measure, l2=l2))
    assert run(Kernel(), case=case, time_s=2e-6, peaks=lambda device: PEAKS).bound == expected


def test_peaks_that_are_not_known_bound_nothing(run):
    assert run(Kernel(), peaks=lambda device: None).bound is None


@pytest.mark.parametrize(("asked", "energy_j"), [(True, 0.25), (False, None)])
def test_energy_is_measured_where_it_is_asked_for(run, asked, energy_j):
    assert run(Kernel(), measure_energy=asked, energy=lambda kernel, time_s, cold: 0.25).energy_j == energy_j

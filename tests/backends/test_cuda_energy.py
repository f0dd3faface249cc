"""Energy of a launch, on a device whose counter the test moves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.backends.cuda.energy import energy_of


class Device:
    """Idles at 100 W, draws 400 W while it works; a launch takes 1 ms."""

    def __init__(self, counts: bool = True) -> None:
        self.now, self.joules, self.queued, self.selected = 0.0, 0.0, 0, set[int]()
        self.session = SimpleNamespace(synchronize=self._wait, device=None, l2_bytes=50 << 20)
        self.sets, self.operand_bytes = 3, 40 << 20
        self._counts = counts

    def _pass(self, length_s: float, power_w: float) -> None:
        self.now += length_s
        self.joules += length_s * power_w

    def launch(self) -> None:
        self.queued += 1

    def select(self, index: int) -> None:
        self.selected.add(index % 3)

    def _wait(self) -> None:
        self._pass(self.queued * 1e-3, 400.0)
        self.queued = 0

    def measure(self, time_s: float = 1e-3, *, cold: bool = True) -> float | None:
        return energy_of(
            self,  # type: ignore[arg-type]
            time_s,
            cold=cold,
            counter_j=lambda: self.joules if self._counts else None,
            clock=lambda: self.now,
            sleep=lambda length_s: self._pass(length_s, 100.0),
        )


def test_energy_of_a_launch_above_idle():
    device = Device()
    assert device.measure() == pytest.approx(0.3)
    assert device.now == pytest.approx(4.0, abs=0.1)
    assert device.selected == {0, 1, 2}, "operand sets take turns"


def test_no_energy_where_the_device_does_not_count_it():
    assert Device(counts=False).measure() is None


def test_no_energy_of_launches_that_the_host_cannot_keep_up_with():
    assert Device().measure(time_s=15e-6) is None


def test_no_energy_of_cold_operands_that_fit_the_cache():
    device = Device()
    device.operand_bytes = 1 << 20
    assert device.measure() is None
    assert device.measure(cold=False) == pytest.approx(0.3)


def test_slow_launches_are_not_queued_far_beyond_the_time_that_is_given():
    device = Device()
    device.measure(time_s=2.0)
    assert device.now < 4.1

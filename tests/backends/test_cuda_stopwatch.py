"""The CUDA stopwatch on a device that does not exist: a stream whose work takes the times that the test says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import harness.backends.cuda.stopwatch as module
from harness.timing import MachineState, Measure, StopReason, time_rounds


class Device:
    """Device time passes with each launch; the host's clock follows when it waits. ``log``: what the stream was given."""

    def __init__(self, launch_s: float, flush_s: float = 0.0) -> None:
        self.launch_s, self.flush_s = launch_s, flush_s
        self.device_s = self.host_s = 0.0
        self.log: list[str] = []
        self.slept: list[float] = []
        self.shut = False
        stream = SimpleNamespace(record=lambda options: Event(self.device_s))
        self.session = SimpleNamespace(stream=stream, synchronize=self.synchronize, device="cuda:0")
        self.sets, self.most_queued, self._queued = 2, 0, 0

    def work(self, name: str, length_s: float) -> None:
        self.log.append(name)
        self.device_s += length_s

    def launch(self) -> None:
        self._queued += self.shut
        self.most_queued = max(self.most_queued, self._queued)
        self.work("launch", self.launch_s)

    def synchronize(self) -> None:
        assert not self.shut, "waiting for a stream behind a shut gate never ends"
        self._queued = 0
        self.host_s = max(self.host_s, self.device_s)

    def clock(self) -> float:
        return self.host_s

    def sleep(self, length_s: float) -> None:
        self.slept.append(length_s)
        self.host_s += length_s
        self.device_s = max(self.device_s, self.host_s)


class Event:
    def __init__(self, at_s: float) -> None:
        self._at_s = at_s

    def __sub__(self, other: Event) -> float:
        return (self._at_s - other._at_s) * 1e3


class Gate:
    def __init__(self, session: SimpleNamespace) -> None:
        self._device: Device = session.owner

    def shut(self) -> None:
        self._device.shut = True

    def open(self) -> None:
        self._device.shut = False


class Cooler:
    def __init__(self, kernel: Device) -> None:
        self._kernel = kernel

    def next(self) -> None:
        self._kernel.work("flush", self._kernel.flush_s)


class Batch(Cooler):
    launches = 20

    def launch(self) -> None:
        for _ in range(self.launches):
            self._kernel.launch()


@pytest.fixture
def watch_of(monkeypatch):
    states = iter(MachineState(sm_clock_hz=1e9 + index) for index in range(10**6))
    monkeypatch.setattr(module, "Gate", Gate)
    monkeypatch.setattr(module, "Cold", Cooler)
    monkeypatch.setattr(module, "state", lambda device: next(states))
    monkeypatch.setattr(module, "batch_of", lambda kernel, launch_s, cold: Batch(kernel))

    def make(device: Device, **measure: object) -> tuple[module.CudaStopwatch, Measure]:
        device.session.owner = device
        asked = Measure(**measure)
        return module.CudaStopwatch(device, asked, clock=device.clock, sleep=device.sleep), asked

    return make


def test_samples_are_launches_alone(watch_of):
    """The flush before a launch is not in its time."""
    device = Device(500e-6, flush_s=80e-6)
    timing = time_rounds(*watch_of(device, min_time_s=0))
    assert timing.samples.tolist() == pytest.approx([500e-6] * len(timing.samples))
    assert (timing.launches_per_sample, timing.stop) == (1, StopReason.NOISE)
    assert device.log[-3:] == ["launch", "flush", "launch"]


@pytest.mark.parametrize(("launch_s", "launches"), [(3e-6, 20), (199e-6, 20), (201e-6, 1)])
def test_short_kernels_are_timed_in_graphs(watch_of, launch_s, launches):
    timing = time_rounds(*watch_of(Device(launch_s), min_time_s=0))
    assert timing.launches_per_sample == launches
    assert timing.time_s == pytest.approx(launch_s)


def test_a_kernel_whose_launches_cannot_be_captured_is_timed_alone(watch_of, monkeypatch):
    monkeypatch.setattr(module, "batch_of", lambda kernel, launch_s, cold: None)
    timing = time_rounds(*watch_of(Device(3e-6), min_time_s=0))
    assert (timing.launches_per_sample, timing.time_s) == (1, pytest.approx(3e-6))


@pytest.mark.parametrize(("launch_s", "samples"), [(2e-3, 4), (20e-3, 1), (201e-6, 49)])
def test_a_round_is_ten_milliseconds_of_work_and_the_queue_is_bounded(watch_of, launch_s, samples):
    device = Device(launch_s)
    watch, _ = watch_of(device)
    watch.warm_up(deadline=10.0)
    assert len(watch.round(1000).samples) == samples
    assert len(watch.round(2).samples) == min(2, samples)
    assert device.most_queued <= 128


def test_burst_rests_for_three_times_what_a_round_took(watch_of):
    device = Device(2e-3)
    watch, _ = watch_of(device)
    watch.warm_up(deadline=10.0)
    watch.round(1000)
    watch.rest(1.0)
    assert device.slept[-1] == pytest.approx(3 * 8e-3, rel=0.01)
    watch.rest(0.005)
    assert device.slept[-1] == 0.005
    watch.rest(-1.0)
    assert device.slept[-1] == 0.0


def test_steady_does_not_rest_and_warms_up_until_the_clock_holds(watch_of, monkeypatch):
    device = Device(2e-3)
    monkeypatch.setattr(module, "state", lambda _: MachineState(sm_clock_hz=1.98e9 - 1e8 * min(device.host_s, 3.0)))
    timing = time_rounds(*watch_of(device, mode="steady", min_time_s=0, max_time_s=30.0))
    assert max(device.slept) <= 0.5e-2, "it waits for the middle of a round, and never between rounds"
    assert timing.states[0].sm_clock_hz == pytest.approx(1.68e9)
    assert timing.settled


def test_steady_says_that_it_did_not_settle(watch_of, monkeypatch):
    device = Device(2e-3)
    monkeypatch.setattr(module, "state", lambda _: MachineState(temperature_c=40 + 5 * device.host_s))
    timing = time_rounds(*watch_of(device, mode="steady", min_time_s=0, max_time_s=2.0))
    assert timing.settled is False


@pytest.mark.parametrize(("mode", "asked_s"), [("burst", 4.5e-3), ("steady", 4e-3)])
def test_the_machine_is_asked_in_the_middle_of_a_round(watch_of, monkeypatch, mode, asked_s):
    device = Device(1e-3)
    monkeypatch.setattr(module, "state", lambda _: MachineState(temperature_c=device.host_s))
    watch, _ = watch_of(device, mode=mode)
    watch.warm_up(deadline=10.0)
    begin = device.host_s
    assert watch.round(8).state.temperature_c - begin == pytest.approx(asked_s, rel=0.01)


@pytest.mark.parametrize(("mode", "queued"), [("burst", 1), ("steady", 8)])
def test_burst_has_a_gate_for_each_sample_and_steady_one_for_all(watch_of, mode, queued):
    device = Device(1e-3)
    watch, _ = watch_of(device, mode=mode)
    watch.warm_up(deadline=3.0)
    device.most_queued = 0
    watch.round(8)
    assert device.most_queued == queued


def test_the_trial_is_of_several_launches_though_the_first_ones_are_slow(watch_of, monkeypatch):
    """Code is loaded at the first launch, and the first one behind a gate may take long: neither must decide."""
    device = Device(3e-6)
    lengths = iter([0.1, *[3e-6] * (device.sets - 1), 1e-3])
    monkeypatch.setattr(device, "launch", lambda: device.work("launch", next(lengths, 3e-6)))
    assert time_rounds(*watch_of(device, min_time_s=0)).launches_per_sample == Batch.launches


@pytest.mark.parametrize("launch_s", [0.5, 1.0, 3.0])
def test_slow_kernels_end_within_a_launch_or_two_of_the_limits(watch_of, launch_s):
    device = Device(launch_s)
    timing = time_rounds(*watch_of(device, max_time_s=2.0))
    assert device.host_s <= 2 * 2.0 + 3 * launch_s
    assert len(timing.samples) >= 1


def test_the_machine_is_asked_once_a_round(watch_of):
    timing = time_rounds(*watch_of(Device(1e-3), min_samples=25, min_time_s=0))
    clocks = [state.sm_clock_hz for state in timing.states]
    assert len(set(clocks)) == len(clocks) > 1


def test_warm_up_ends_at_its_deadline(watch_of):
    device = Device(0.3)
    watch, _ = watch_of(device)
    watch.warm_up(deadline=0.5)
    assert device.log.count("launch") == 2


def test_a_kernel_with_a_limit_of_its_own_takes_no_more(watch_of):
    device = Device(1e-3)
    watch, measure = watch_of(device)
    assert len(time_rounds(watch, measure, max_samples=3).samples) == 3
    assert device.log.count("launch") == 3

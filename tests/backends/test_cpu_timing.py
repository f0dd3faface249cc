"""The CPU's stopwatch, against a clock that the test moves."""

from __future__ import annotations

import pytest

from harness.backends.cpu.load import OtherLoad
from harness.backends.cpu.timing import CpuStopwatch, evict_caches, time_launch
from harness.timing import Measure, time_rounds


class Clock:
    """Nanoseconds that pass only when something is done; a kernel whose launches take the times given."""

    def __init__(self, launch_ns: list[int], evict_ns: int = 0) -> None:
        self.now = 0
        self.launches = 0
        self.evictions = 0
        self._launch_ns, self._evict_ns = launch_ns, evict_ns

    def __call__(self) -> int:
        return self.now

    def launch(self) -> None:
        self.now += self._launch_ns[min(self.launches, len(self._launch_ns) - 1)]
        self.launches += 1

    def evict(self) -> None:
        self.now += self._evict_ns
        self.evictions += 1


def _time(clock, max_samples=None, load=lambda: 0.25, **measure):
    asked = Measure(**{"min_time_s": 0.0, **measure})
    watch = CpuStopwatch(clock, asked, clock_ns=clock, evict=clock.evict, load=load)
    return time_rounds(watch, asked, max_samples=max_samples)


def test_warm_up_is_not_a_sample():
    clock = Clock([10_000_000, 5_000_000, 1_000_000])
    timing = _time(clock, min_samples=20)
    assert clock.launches == 22
    assert timing.samples.tolist() == [1e-3] * 20
    assert timing.time_s == timing.time_p05_s == timing.time_p95_s == timing.time_low_s == timing.time_high_s == 1e-3
    assert timing.noise == 0


def test_a_round_is_twenty_milliseconds_evictions_included():
    timing = _time(Clock([1_000_000], evict_ns=4_000_000), min_samples=8)
    assert timing.rounds.tolist() == [0] * 4 + [1] * 4
    assert [state.other_load for state in timing.states] == [0.25, 0.25]


def test_eviction_is_not_timed_but_counts_against_the_limit():
    clock = Clock([1_000_000], evict_ns=400_000_000)
    timing = _time(clock, min_samples=100, max_time_s=1.0)
    assert timing.samples.tolist() == [1e-3] * 3
    assert clock.evictions == 3


def test_time_limit_beats_samples_and_one_is_always_taken():
    clock = Clock([3_000_000_000])
    assert len(_time(clock, min_samples=50, max_time_s=2.0).samples) == 1
    assert clock.launches == 2


def test_reference_kernels_are_timed_three_times_at_most():
    clock = Clock([1])
    assert len(_time(clock, max_samples=3, min_samples=50).samples) == 3
    assert clock.launches == 3


def test_steady_warms_up_until_times_hold():
    slowing = [1_000_000 + 2_000 * min(launch, 2000) for launch in range(2500)]
    clock = Clock(slowing)
    timing = _time(clock, mode="steady", min_samples=10, max_time_s=60.0)
    assert timing.samples.tolist() == pytest.approx([5e-3] * len(timing.samples))
    assert clock.launches > 2000


def test_hot_does_not_evict(monkeypatch):
    import harness.backends.cpu.timing as module

    calls = []
    monkeypatch.setattr(module, "evict_caches", lambda: calls.append(1))
    time_launch(Clock([0]), Measure(l2="hot", max_samples=3))
    assert not calls
    time_launch(Clock([0]), Measure(l2="cold", max_samples=3))
    assert len(calls) == 3


def test_eviction_writes_over_more_than_the_last_level_cache():
    from harness.backends.cpu.device import last_level_cache_bytes
    from harness.backends.cpu.timing import _buffer

    before = _buffer().copy()
    evict_caches()
    assert _buffer().nbytes >= 2 * min(max(last_level_cache_bytes(), 32 << 20), 256 << 20)
    assert (_buffer() != before).all()


def test_the_load_of_others_is_what_the_cores_did_less_this_process(monkeypatch):
    import harness.backends.cpu.load as module

    monkeypatch.setattr(module, "CORES", (1, 2))
    monkeypatch.setattr(module.os, "sysconf", lambda name: 100)
    ticks, now, own = [0], [0.0], [0.0]

    def stat() -> str:
        return (
            f"cpu  9 9 9 9\ncpu0 5000 0 0 0 0 0 0 0 0 0\ncpu1 {ticks[0]} 0 0 77 5 0 0 0 0 0\ncpu2 3 0 4 0 0 0 0 0 9 9\n"
        )

    load = OtherLoad(stat, lambda: now[0], lambda: own[0])
    assert load() is None, "no time has passed"
    now[0], ticks[0], own[0] = 1.0, 120, 0.2
    assert load() == pytest.approx(0.5), "1.2 s busy, 0.2 of them its own, on two cores"
    now[0], ticks[0] = 1.05, 125
    assert load() == pytest.approx(0.5), "too soon for another answer"


def test_no_load_is_told_where_there_is_no_stat():
    def absent() -> str:
        raise FileNotFoundError

    assert OtherLoad(absent)() is None


def test_a_launch_begins_on_the_first_core_and_the_thread_is_free_again_after_it():
    import os

    seen, before = [], os.sched_getaffinity(0)

    class Kernel:
        def launch(self) -> None:
            seen.append(os.sched_getaffinity(0))

    time_launch(Kernel(), Measure(l2="hot", max_samples=2))
    assert seen == [{min(before)}] * 4
    assert os.sched_getaffinity(0) == before


def test_every_core_takes_part_in_an_eviction_though_the_launch_keeps_to_one(monkeypatch):
    import harness.backends.cpu.timing as module

    parts = []
    monkeypatch.setattr(module, "in_parts", lambda function, count, most: parts.append(-(-count // most)))
    with module.kept_to_first_core():
        evict_caches()
    assert parts == [len(module.CORES)]

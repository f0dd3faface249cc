"""The CPU timer, against a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.cpu.timing import evict_caches, time_launch
from harness.suite import Measure
from harness.timing import Timing


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


def _time(clock, **measure):
    return time_launch(clock, Measure(**measure), clock=clock, evict=clock.evict)


def test_warm_up_is_not_a_sample():
    clock = Clock([10_000_000, 5_000_000, 1_000_000])
    timing = _time(clock, min_samples=5)
    assert clock.launches == 7
    assert timing.samples.tolist() == [1e-3] * 5
    assert timing.time_s == timing.time_p05_s == timing.time_p95_s == 1e-3
    assert timing.noise == 0


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
    timing = time_launch(clock, Measure(min_samples=50), max_samples=3, clock=clock, evict=clock.evict)
    assert len(timing.samples) == 3
    assert clock.launches == 3


def test_figures_of_samples():
    timing = Timing.of(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    assert timing.time_s == 3.0
    assert timing.time_p95_s == pytest.approx(80.8)
    assert timing.noise == pytest.approx(1.4826 / 3)


def test_hot_does_not_evict(monkeypatch):
    import harness.backends.cpu.timing as module

    calls = []
    monkeypatch.setattr(module, "evict_caches", lambda: calls.append(1))
    time_launch(Clock([0]), Measure(l2="hot", min_samples=3))
    assert not calls
    time_launch(Clock([0]), Measure(l2="cold", min_samples=3))
    assert len(calls) == 3


def test_eviction_writes_over_more_than_the_last_level_cache():
    from harness.backends.cpu.timing import _buffer, _last_level_cache_bytes

    before = _buffer().copy()
    evict_caches()
    assert _buffer().nbytes >= 2 * _last_level_cache_bytes()
    assert (_buffer() != before).all()

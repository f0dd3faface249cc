"""``harness verify --jobs``: which runs there are, what is told of them, how they end. No GPU is needed."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from harness import verify as module
from harness.device import Device
from harness.errors import HarnessError
from harness.runner import Watcher
from harness.verify import Together, conformance_cases, cuda_kernels, verify

HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)
NAMES = ["quantize/affine", "quantize/dynamic", "dequantize/lut", "dequantize/affine"]


class Counting(Watcher):
    """Counts what it is told; any two calls at once are an error."""

    def __init__(self) -> None:
        self.total = self.finished = self.ends = 0
        self._busy = threading.Lock()

    def begin(self, device, total, done):
        self.total += total

    def finish(self, case, outcome):
        assert self._busy.acquire(blocking=False), "told of two cases at once"
        self.finished += 1
        self._busy.release()

    def end(self):
        self.ends += 1


@pytest.fixture
def runs(monkeypatch):
    """The kernels of each run, none of which needs a device."""
    made: list[tuple[str, ...]] = []

    def run_suite(source, options, watcher):
        names = tuple(text.removeprefix("kernel=") for text in options.filters)
        made.append((source.parent.name, *names))
        rows = []
        for number in range(20):
            watcher.start(SimpleNamespace(name=str(number)))
            watcher.finish(SimpleNamespace(name=str(number)), None)
            rows += [{"kernel": name, "case": "c", "status": "ok", "reason": None, "code_mismatches": 0, "bound_used": None}
                     for name in names]  # fmt: skip
        return SimpleNamespace(rows=rows, complete=names != ("lut",) or not made_to_stop)

    made_to_stop: list[bool] = []
    monkeypatch.setattr(module, "find_device", lambda name: HOPPER)
    monkeypatch.setattr(module, "environment_of", lambda device: {"cuda_driver": "13.0", "nvrtc_version": "13.0"})
    monkeypatch.setattr(module, "run_suite", run_suite)
    return SimpleNamespace(made=made, stop=made_to_stop)


def test_one_job_runs_the_kernels_of_an_op_together(runs):
    found = verify("auto", NAMES)
    assert runs.made == [("quantize", "affine", "dynamic"), ("dequantize", "affine", "lut")]
    assert {f"{each.op}/{each.kernel}": each.cases for each in found} == dict.fromkeys(NAMES, 20)


def test_several_jobs_run_each_kernel_by_itself_and_tell_one_watcher(runs):
    watcher = Counting()
    found = verify("auto", NAMES, watcher, jobs=3)
    assert sorted(runs.made) == sorted(tuple(name.split("/")) for name in NAMES)
    assert [f"{each.op}/{each.kernel}" for each in found] == [f"{s.op}/{s.name}" for s in cuda_kernels(NAMES)]
    assert all(each.as_expected for each in found)
    assert (watcher.finished, watcher.ends) == (4 * 20, 1)
    assert watcher.total == sum(conformance_cases(spec, HOPPER) for spec in cuda_kernels(NAMES))


def test_the_longest_begins_first(runs):
    verify("auto", NAMES, jobs=2)
    cases = {f"{spec.op}/{spec.name}": conformance_cases(spec, HOPPER) for spec in cuda_kernels(NAMES)}
    assert "/".join(runs.made[0]) in sorted(cases, key=cases.__getitem__)[-2:]


@pytest.mark.parametrize("jobs", [1, 4])
def test_an_interrupted_run_is_no_evidence(runs, jobs):
    runs.stop.append(True)
    with pytest.raises(KeyboardInterrupt):
        verify("auto", ["dequantize/lut"], jobs=jobs)


def test_a_stopped_run_ends_at_its_next_case():
    together = Together(Watcher())
    together.start(SimpleNamespace(name="a"))
    together.stop()
    with pytest.raises(KeyboardInterrupt):
        together.start(SimpleNamespace(name="b"))


def test_no_jobs_are_refused():
    with pytest.raises(HarnessError, match=r"--jobs: must be at least 1 \(got 0\)"):
        verify("auto", jobs=0)

"""2 000 cases of every op mixed on the device, with faults among them: all end as they must, and memory does not grow."""

from __future__ import annotations

import pytest
from cuda_faults import FAULTS
from soak import Plan, soak, sound_cases, times

from harness.backends.cuda.ahead import compile_ahead
from harness.record import Status
from harness.supervise import Supervisor

PLAN = Plan(times(FAULTS, killing=1, sparing=2))


@pytest.fixture
def warm(device):
    """What a run makes beforehand is made: the kernels compiled, the device's peaks measured."""
    cases = sound_cases(device, PLAN)
    compile_ahead(cases, device, print)
    with Supervisor(device, case_timeout_s=300) as patient:
        assert patient.run(next(case for case in cases if case.backend == "cuda")).status is Status.OK


@pytest.mark.usefixtures("warm")
def test_nothing_is_lost_and_nothing_grows(device, capsys):
    made = soak(device, PLAN)
    with capsys.disabled():
        print("\n" + made.table())
    assert not made.wrong
    assert set(made.ops) == {"quantize", "dequantize", "fake_quantize", "statistics", "calibration", "gemm"}
    assert sum(made.given.values()) == len(PLAN.faults) >= 20
    assert {"parent", "worker"} <= set(made.growth)
    for name, (first, last) in made.growth.items():
        assert last <= 1.05 * first, name

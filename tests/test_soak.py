"""Cases of every op mixed, with faults among them: all end as they must, and memory does not grow.

A short run here; SOAK=full in the environment makes it 2 000 cases (some minutes) and prints the figures.
"""

from __future__ import annotations

import itertools
import os

import pytest
from fault_kernels import FAULTS
from soak import Plan, deal, soak, times

from harness.backends import find_device

FULL = os.environ.get("SOAK") == "full"
_FEW = [
    fault for fault in FAULTS if fault.kernel in ("segfault", "hang", "garbles", "outofmemory", "raises", "remembers")
]
PLAN = (
    Plan(times(FAULTS, killing=1, sparing=3), l2="hot")
    if FULL
    else Plan(times(_FEW, killing=1, sparing=1), cases=150, deck=24, settled=50, every=25, case_timeout_s=5, l2="hot")
)


@pytest.fixture(scope="module")
def device():
    return find_device("cpu")


def test_both_moments_are_of_workers_that_know_the_whole_deck(device):
    dealt = deal(device, PLAN)
    assert dealt == deal(device, PLAN)
    assert len(dealt) == PLAN.cases
    kills = {fault.kernel: fault.kills for fault in PLAN.faults}
    deck = {case.case_id for case in dealt if case.kernel not in kills}
    assert len(deck) == PLAN.deck
    killing = [place for place, case in enumerate(dealt) if kills.get(case.kernel)]
    for worker in (dealt[: PLAN.settled], dealt[killing[-1] + 1 :]):
        assert deck <= {case.case_id for case in worker}
    assert PLAN.settled <= killing[0]
    faults = [place for place, case in enumerate(dealt) if case.kernel in kills]
    assert all(after - before > 1 for before, after in itertools.pairwise(faults))


def test_nothing_is_lost_and_nothing_grows(device, capsys):
    made = soak(device, PLAN)
    if FULL:
        with capsys.disabled():
            print("\n" + made.table())
    assert not made.wrong, made.table()
    assert set(made.ops) == {"quantize", "dequantize", "fake_quantize", "statistics", "calibration", "gemm"}
    assert sum(made.given.values()) == len(PLAN.faults)
    assert {"parent", "worker"} <= set(made.growth)
    for name, (first, last) in made.growth.items():
        assert last <= 1.05 * first, f"{name}\n{made.table()}"

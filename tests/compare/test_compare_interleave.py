"""Two kernels, their rounds taken in turn."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from harness.backends import find_device
from harness.cli import app
from harness.compare.interleave import InterleaveOptions, compare_interleaved, kernel_pairs
from harness.errors import HarnessError
from harness.suite import load_suite
from harness.timing.stopwatch import MachineState, Round
from harness.verdict import Change


class Drifting:
    """A stopwatch on a machine whose every round is slower than the last, whichever kernel's it is."""

    rounds = 0
    order: list[str] = []  # noqa: RUF012 (shared on purpose: both sides note their turns)

    def __init__(self, kernel, measure):
        self.kernel = type(kernel).__name__
        self.time_s = {"Guarded": 1.1e-3}.get(self.kernel, 1e-3)

    def clock(self):
        return 0.0

    def warm_up(self, deadline):
        return None

    def rest(self, most_s):
        pass

    def round(self, most):
        Drifting.rounds += 1
        Drifting.order.append(self.kernel)
        return Round(np.full(most, self.time_s * (1 + 0.01 * Drifting.rounds)), 1, MachineState())


@pytest.fixture
def device():
    return find_device("cpu")


def test_what_drifts_drifts_for_both(fault_suite, device, monkeypatch):
    monkeypatch.setattr(Drifting, "rounds", 0)
    monkeypatch.setattr(Drifting, "order", [])
    pairs = kernel_pairs(load_suite(fault_suite("good", "guarded", shapes=2)), device, "good", "guarded")
    found = compare_interleaved(pairs, device, {}, InterleaveOptions(rounds=40), make_stopwatch=Drifting)
    assert Drifting.order[:4] == ["Good", "Guarded", "Guarded", "Good"]
    ratios = [case.speed.ratio for case in found.cases]
    assert ratios == pytest.approx([1.1, 1.1], abs=0.02)
    assert (found.a, found.b, len(found.cases)) == ("good", "guarded", 2)


def test_a_kernel_that_does_not_conform_is_not_timed(fault_suite, device):
    suite = load_suite(fault_suite("good", "inaccurate", "raises"))
    for name, status in (("inaccurate", "inaccurate"), ("raises", "runtime_error")):
        pairs = kernel_pairs(suite, device, "good", name)
        (case,) = compare_interleaved(pairs, device, {}, InterleaveOptions(), make_stopwatch=Drifting).cases
        assert (case.status_a, case.status_b, case.speed) == ("ok", status, None)
        assert name in case.reason


def test_kernels_of_the_suite_are_asked_for(fault_suite, device):
    suite = load_suite(fault_suite("good", "guarded"))
    with pytest.raises(HarnessError, match="did you mean guarded"):
        kernel_pairs(suite, device, "good", "gaurded")


def test_the_command_times_for_real(fault_suite, tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(fault_suite("slow", "good")))
    words = ["compare", "slow", "good", "--interleave", str(path), "--device", "cpu", "--rounds", "10", "--all"]
    found = CliRunner().invoke(app, [*words, "--out", str(tmp_path)], env={"COLUMNS": "250"})
    assert found.exit_code == 0, found.output
    assert str(Change.FASTER) in found.output

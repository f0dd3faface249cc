"""Gates on recorded samples: what a drawn suite is made of, and nights as they were."""

from __future__ import annotations

import numpy as np
import pytest
from made_histories import make_history, nights
from made_runs import case, make_run
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import HarnessError
from harness.gatecheck.recorded import RecordedSuite, read_recorded
from harness.gatecheck.reruns import FEWEST_NIGHTS, rerun_rates


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_cases_are_recorded_ones_and_sessions_their_records(tmp_path, rng):
    for day in range(3):
        make_run(tmp_path, [case(n, (n + 1) * 1e-3 * (1 + 0.1 * day) * np.ones(12)) for n in range(4)], day=day)
    recorded = read_recorded([tmp_path], 10)
    suite = RecordedSuite.drawn(recorded, rng, 10)
    assert sorted(np.bincount(suite.cases)) == [2, 2, 3, 3]
    times = suite.session(rng, 10)
    assert times.shape == (10, 10)
    ratios = times / (1e-3 * (suite.cases[:, None] + 1))
    assert set(np.round(np.unique(ratios), 1)) <= {1.0, 1.1, 1.2}
    assert np.ptp(ratios, axis=1).max() < 0.01  # one record each
    a, b = suite.interleaved(rng, 10)
    assert np.abs(np.log(a / b)).max() < 0.01


def test_rounds_follow_each_other_as_they_did(tmp_path, rng):
    make_run(tmp_path, [case(0, 1e-3 * (1 + np.arange(12)))])
    times = RecordedSuite.drawn(read_recorded([tmp_path], 10), rng, 1).session(rng, 12)[0]
    steps = np.diff(np.rint(times / 1e-3))
    assert sorted(set(steps)) in ([1.0], [-11.0, 1.0])


def test_short_records_are_passed_over(tmp_path):
    make_run(tmp_path, [case(0, [1e-3] * 12), case(1, [1e-3] * 4)])
    recorded = read_recorded([tmp_path], 10)
    assert (len(recorded.records), recorded.passed_over) == (1, 1)
    with pytest.raises(HarnessError, match="--samples: must hold records of at least 20 rounds"):
        read_recorded([tmp_path], 20)


def test_nights_as_they_were(tmp_path, rng):
    make_history(tmp_path, {n: nights(rng, FEWEST_NIGHTS + 4) for n in range(10)})
    rates = {each.gate: each for each in rerun_rates([tmp_path], 0)}
    gate = rates["check --history --again, nights as they were"]
    nothing, *_, ten = gate.rates
    assert nothing.unchanged == 4 * 10
    assert nothing.false == 0
    assert (ten.slowed, ten.found) == (4, 4)
    assert rates["rule: beyond 5 %, nights as they were"].rates[-1].found == 4


def test_few_nights_say_nothing_of_nights(tmp_path, rng):
    make_history(tmp_path, {0: nights(rng, FEWEST_NIGHTS)})
    assert rerun_rates([tmp_path], 0) == ()


def test_the_command_takes_samples(tmp_path, rng):
    make_run(tmp_path, [case(n, 1e-3 * np.exp(0.001 * rng.standard_normal(14))) for n in range(5)])
    words = ["gatecheck", "--samples", str(tmp_path), "--cases", "60", "--slowed", "20", "--repeats", "1", "--markdown"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code in (0, 2)
    assert "| A/B interleaved |" in found.stdout

"""The gates' rates: targets are reached on simulated suites, the simulation is what it says, the command prints it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.gatecheck import Rates, measure_rates
from harness.gatecheck.gates import GATES
from harness.gatecheck.noise import Suite
from harness.gatecheck.options import SLOWDOWNS, GatecheckOptions

OPTIONS = GatecheckOptions(repeats=2, seed=1)


@pytest.fixture(scope="module")
def measured():
    return {each.gate: each for each in measure_rates(OPTIONS)}


@pytest.mark.parametrize("gate", [name for name, (_, targeted) in GATES.items() if targeted])
def test_targets_are_reached(measured, gate):
    nothing, *_, five, ten = measured[gate].rates
    assert nothing.false_rate <= 0.005
    assert five.false_rate <= 0.005
    assert five.quiet_rate >= 0.95
    assert ten.found_rate >= 0.95
    assert measured[gate].reaches_targets


@pytest.mark.parametrize("gate", [name for name, (_, targeted) in GATES.items() if targeted])
def test_what_does_not_matter_is_no_finding(measured, gate):
    one_percent = measured[gate].rates[1]
    assert one_percent.found_rate <= 0.02


def test_a_rule_without_statistics_does_not_reach_them(measured):
    assert not measured["rule: beyond the noise"].reaches_targets
    assert measured["rule: beyond the noise"].rates[0].false_rate > 0.1


def test_measuring_again_takes_away_false_alarms(measured):
    once, twice = (measured[name].rates[0].false for name in ("check --history", "check --history --again"))
    assert twice < once


def test_the_same_seed_gives_the_same_rates_and_counts_add_up():
    small = replace(OPTIONS, cases=60, slowed=10, repeats=1)
    first, second = measure_rates(small), measure_rates(small)
    assert first == second
    for gate in first:
        assert [each.slowdown for each in gate.rates] == list(SLOWDOWNS)
        assert [each.slowed for each in gate.rates] == [0, 10, 10, 10, 10, 10]
        assert all(each.slowed + each.unchanged == 60 for each in gate.rates)


def test_rates_of_nothing_are_none():
    nothing = Rates(0.0, 0, 0, 0, 0, 10, 1)
    assert (nothing.found_rate, nothing.quiet_rate, nothing.false_rate) == (None, None, 0.1)


def test_sessions_are_heavy_tailed_and_differ_between_sessions():
    rng = np.random.default_rng(0)
    suite = Suite(np.full(4000, 1e-3), np.full(4000, 0.003))
    rounds = np.log(suite.session(rng, 12) / 1e-3)
    within = np.median(rounds - np.median(rounds, axis=1, keepdims=True), axis=1)
    assert np.abs(within).max() < 0.01
    deviations = (rounds - np.median(rounds, axis=1, keepdims=True)).ravel()
    spread = np.median(np.abs(deviations)) * 1.4826
    assert np.mean(np.abs(deviations) > 4 * spread) > 0.01  # of a normal distribution: 0.00006
    medians = np.median(rounds, axis=1)
    assert np.mean(medians > 0.04) == pytest.approx(0.005, abs=0.006)


def test_interleaved_sides_share_what_the_machine_does():
    rng = np.random.default_rng(0)
    suite = Suite(np.full(2000, 1e-3), np.full(2000, 1e-6))
    a, b = suite.interleaved(rng, 10)
    separate = np.median(suite.session(rng, 10), axis=1) / np.median(suite.session(rng, 10), axis=1)
    together = np.median(b, axis=1) / np.median(a, axis=1)
    assert np.std(together) < np.std(separate) / 3


def test_the_command_prints_a_table_and_ends_by_the_targets():
    words = ["gatecheck", "--cases", "200", "--slowed", "50", "--repeats", "1"]
    found = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert found.exit_code in (0, 2)
    assert all(name in found.output for name in GATES)
    made = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found.exit_code == 0) == all(gate["reaches_targets"] for gate in made["gates"] if gate["targeted"])
    assert CliRunner().invoke(app, [*words, "--markdown"]).stdout.startswith("| gate |")


def test_slowed_cases_are_some_of_all():
    assert CliRunner().invoke(app, ["gatecheck", "--cases", "50", "--slowed", "50"]).exit_code == 1

"""A/A with a fake stopwatch: what is timed against what, what is reported, what is kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import harness.selfcheck.pairs as pairs_module
from harness.backends import find_device
from harness.cli import app
from harness.cli.selfcheck import summary_line
from harness.device import Device
from harness.errors import HarnessError, StoreError
from harness.plan import plan
from harness.planned import planned_cases
from harness.selfcheck.floors import floors_path, read_floors, store_floors
from harness.selfcheck.options import SelfcheckOptions
from harness.selfcheck.pairs import interleaved
from harness.selfcheck.result import FloorKind, noise_floor
from harness.selfcheck.run import default_suites, selfcheck, shares
from harness.suite import load_suite
from harness.timing import Round

CPU = find_device("cpu")
HOPPER = Device("cuda:0", "cuda", "test", "sm_90a", 64 << 30)


class FakeStopwatch:
    """Times of 1 ms with noise; the n-th stopwatch made is ``lag(n)`` times as slow. Notes what is done to it."""

    def __init__(self, maker, number):
        self.maker, self.number, self.time = maker, number, 0.0

    def clock(self):
        return self.time

    def warm_up(self, deadline):
        self.maker.log.append((self.number, "warm_up", deadline - self.time))

    def round(self, most):
        self.maker.log.append((self.number, "round", most))
        if len(self.maker.log) >= self.maker.interrupt_at:
            raise KeyboardInterrupt
        noise = self.maker.noise * self.maker.rng.standard_normal(most)
        return Round(1e-3 * self.maker.lag(self.number) * (1 + noise))

    def rest(self, most_s):
        self.maker.log.append((self.number, "rest", None))


class Maker:
    """Makes fake stopwatches, and keeps the kernels that they were made for."""

    def __init__(self, noise=0.01, lag=lambda number: 1.0, interrupt_at=10**9):
        self.rng, self.noise, self.lag, self.interrupt_at = np.random.default_rng(0), noise, lag, interrupt_at
        self.log, self.kernels, self.measures = [], [], []

    def __call__(self, kernel, measure):
        self.kernels.append(kernel)
        self.measures.append(measure)
        return FakeStopwatch(self, len(self.kernels) - 1)


@pytest.fixture
def cases(fault_suite):
    """Cases of the plug-in's kernels on the CPU."""
    return lambda *kernels: plan(load_suite(fault_suite(*kernels)), CPU)


def run(cases, maker, pairs=4, **more):
    return selfcheck(cases, CPU, SelfcheckOptions(pairs=pairs, samples=5), make_stopwatch=maker, **more)


def test_rounds_alternate_and_each_side_is_warmed_up_once():
    maker = Maker()
    a, b = interleaved(maker(None, None), maker(None, None), rounds=4, most=3, warm_up_s=0.2)
    assert [entry for entry in maker.log if entry[1] == "warm_up"] == [(0, "warm_up", 0.2), (1, "warm_up", 0.2)]
    rounds = [number for number, what, _ in maker.log if what == "round"]
    assert rounds == [0, 1, 1, 0, 0, 1, 1, 0]
    assert sum(what == "rest" for _, what, _ in maker.log) == 8
    assert a.shape == b.shape == (4,)


def test_a_round_is_its_median():
    maker = Maker()
    maker.rng = np.random.default_rng(5)
    a, _ = interleaved(maker(None, None), maker(None, None), rounds=1, most=7, warm_up_s=0)
    assert a[0] == np.median(1e-3 * (1 + 0.01 * np.random.default_rng(5).standard_normal(7)))


def test_each_pair_has_two_kernels_of_its_own_on_one_problem(cases):
    maker = Maker()
    (case,) = cases("good")
    result = run([case], maker, pairs=3)
    assert len({id(kernel) for kernel in maker.kernels}) == 6
    assert len({id(kernel.problem) for kernel in maker.kernels}) == 1
    assert set(maker.measures) == {case.measure}
    assert {most for _, what, most in maker.log if what == "round"} == {5}
    assert [(check.case, check.pairs) for check in result.checks] == [(case.name, 3)]


def test_a_reference_kernel_keeps_its_own_limit(cases):
    maker = Maker()
    run(cases("reference"), maker, pairs=1)
    assert {most for _, what, most in maker.log if what == "round"} == {3}


def test_identical_kernels_over_two_thousand_pairs(cases):
    result = run(cases("good", "slow"), Maker(), pairs=2000)
    assert (result.pairs, result.complete) == (2000, True)
    assert result.rate <= 0.005
    assert result.rate_bound < 0.01
    assert result.pooled <= 10
    for check in result.checks:
        assert check.floor_kind is FloorKind.P99
        assert 0.003 < check.floor < 0.03
        assert check.time_s == pytest.approx(1e-3, rel=0.01)


def test_an_instrument_that_favours_one_side_is_found_out(cases):
    """The second of each pair comes out 10 % slower, as if its buffers lay badly."""
    result = run(cases("good"), Maker(lag=lambda number: 1.1 if number % 2 else 1.0), pairs=20)
    assert result.false_verdicts == result.pooled == 20
    assert result.rate == result.rate_bound == 1
    (check,) = result.checks
    assert check.floor == pytest.approx(0.1, abs=0.02)
    assert check.floor_kind is FloorKind.MAX


def test_a_set_of_one_repeat_is_corrected_less(cases):
    """Noise of 5 % now and then gives a p that is small for one comparison, and not for 2000."""
    found = run(cases("good"), Maker(noise=0.05), pairs=2000)
    assert found.false_verdicts > found.pooled


def test_a_case_that_fails_is_reported_and_the_rest_goes_on(cases):
    said = []
    result = run(cases("raises", "badsetup", "inaccurate", "good"), Maker(), pairs=8, say=said.append)
    errors = {check.case.split("/")[1]: check.error for check in result.checks}
    assert errors["raises"] == "ValueError: the kernel's own words"
    assert errors["badsetup"] == "RuntimeError: no set-up"
    assert errors["inaccurate"].startswith("inaccurate: must conform before it is timed (got ")
    assert errors["good"] is None
    assert [check.pairs for check in result.checks] == [0, 0, 0, 2]
    assert result.checks[0].floor is result.checks[0].floor_kind is result.checks[0].time_s is None
    assert any(line.startswith("failed: quantize/raises") for line in said)


def test_pairs_before_a_failure_are_kept(cases):
    def lag(number):
        if number >= 4:
            raise MemoryError("no room")
        return 1.0

    (check,) = run(cases("good"), Maker(lag=lag), pairs=5).checks
    assert (check.pairs, check.error) == (2, "MemoryError: no room")


def test_nothing_that_could_be_timed_is_an_error(cases):
    with pytest.raises(HarnessError, match=r"at least one finished pair \(got ValueError: the kernel's own words\)"):
        run(cases("raises"), Maker())


def test_an_interruption_keeps_finished_pairs(cases):
    one_pair = 2 * (1 + 2 * 10)
    result = run(cases("good", "slow", "noisy"), Maker(interrupt_at=int(4.5 * one_pair)), pairs=9)
    assert not result.complete
    assert [(check.pairs, check.error) for check in result.checks] == [(3, None), (1, "interrupted")]
    assert result.pairs == 4


def test_an_interruption_before_the_first_pair_is_an_error(cases):
    with pytest.raises(HarnessError, match="got interrupted"):
        run(cases("good"), Maker(interrupt_at=5))


@pytest.mark.parametrize(("pairs", "cases_", "wanted"), [(200, 3, [67, 67, 66]), (2, 3, [1, 1, 1]), (1, 1, [1])])
def test_shares(pairs, cases_, wanted):
    assert shares(pairs, cases_) == wanted


def test_noise_floor():
    assert noise_floor([]) == (None, None)
    assert noise_floor([1.01, 0.95]) == (pytest.approx(0.05), FloorKind.MAX)
    ratios = 1 + np.arange(1000) / 1000
    assert noise_floor(ratios.tolist()) == (pytest.approx(np.quantile(ratios - 1, 0.99)), FloorKind.P99)


def test_floors_are_stored_and_read_back(cases, tmp_path):
    path = floors_path(tmp_path, CPU)
    result = run(cases("good", "raises"), Maker(), pairs=6)
    assert read_floors(path) == {}
    store_floors(path, result)
    good = result.checks[0]
    assert read_floors(path) == {good.case_id: good.floor}
    (row,) = pd.read_parquet(path).to_dict("records")
    assert (row["case"], row["device"], row["cpu"], row["pairs"]) == (good.case, "cpu", CPU.model, 3)
    assert (row["floor_kind"], row["false_verdicts"]) == ("max", 0)
    assert row["date"].endswith("+00:00")
    assert [entry.name for entry in path.parent.iterdir()] == ["cpu.parquet"]


def test_newer_floors_replace_older_ones_of_the_same_machine(cases, tmp_path):
    path = floors_path(tmp_path, CPU)
    first, second = run(cases("good", "slow"), Maker()), run(cases("slow"), Maker(noise=0.1))
    store_floors(path, first)
    store_floors(path, second)
    assert read_floors(path) == {
        first.checks[0].case_id: first.checks[0].floor,
        second.checks[0].case_id: second.checks[0].floor,
    }
    pd.read_parquet(path).assign(cpu="another machine").to_parquet(path)
    store_floors(path, second)
    assert list(read_floors(path)) == [second.checks[0].case_id]


def test_file_of_a_gpu_has_no_colon():
    assert floors_path(Path("out"), HOPPER) == Path("out/selfcheck/cuda-0.parquet")


def test_other_files_are_no_floors(tmp_path):
    pd.DataFrame({"case_id": ["x"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(StoreError, match="holds no noise floors"):
        read_floors(tmp_path / "x.parquet")


@pytest.mark.parametrize("device", [CPU, HOPPER], ids=lambda device: device.backend)
def test_default_suites_run_whole(device):
    suites = [load_suite(path) for path in default_suites(device.backend)]
    assert {suite.op for suite in suites} == {"gemm", "quantize"}
    planned = [case for suite in suites for case in plan(suite, device)]
    assert [case.skip for case in planned] == [None] * len(planned)
    assert {case.backend for case in planned} == {device.backend}
    assert len(planned) <= 20, "2000 pairs give each case the 100 that a percentile needs"


def test_filters_choose_among_the_suites():
    suites = default_suites("cpu")
    assert {case.kernel for case in planned_cases(suites, CPU, ["kernel=ort_f32"], "selfcheck")} == {"ort_f32"}
    assert {case.op for case in planned_cases(suites, CPU, ["weight.format=int4"], "selfcheck")} == {"gemm"}
    with pytest.raises(HarnessError, match="--filter: must leave at least one case"):
        planned_cases(suites, CPU, ["kernel=none_such"], "selfcheck")


def test_a_suite_without_cases_for_the_device(tmp_path, fault_suite):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(fault_suite("affine")))
    with pytest.raises(HarnessError, match=r"needs cases that can run on cpu .*harness plan --skipped"):
        planned_cases([path], CPU, [], "selfcheck")


@pytest.fixture
def command(tmp_path, fault_suite, monkeypatch):
    """``harness selfcheck`` on a suite of the plug-in's kernels, with fake stopwatches."""

    def invoke(maker, *arguments, kernels=("good",)):
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump(fault_suite(*kernels)))
        monkeypatch.setattr(pairs_module, "stopwatch_of", lambda backend: maker)
        out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
        return CliRunner().invoke(app, ["selfcheck", str(path), *out, *arguments])

    return invoke


def test_command_prints_a_table_and_the_rate(command, tmp_path):
    done = command(Maker(), "--pairs", "6", kernels=("good", "raises"))
    assert done.exit_code == 1, "a case failed: what there is of pairs says nothing of it"
    assert "quantize/good/s0[4x8]/int8/per_tensor" in done.output
    assert "failed: quantize/raises/s0[4x8]/int8/per_tensor: ValueError: the kernel's own words" in done.output
    assert "false verdicts: 0 of 3 pairs, 0.00% (at most 63.16% with 95 % confidence; target 0.5%)" in done.output
    assert (tmp_path / "out" / "selfcheck" / "cpu.parquet").is_file()


def test_command_as_json(command, tmp_path):
    done = command(Maker(), "--pairs", "2", "--rounds", "12", "--json")
    found = json.loads(done.stdout)
    assert (found["pairs"], found["false_verdicts"], found["rate"], found["complete"]) == (2, 0, 0, True)
    assert found["cases"][0]["floor_kind"] == "max"
    assert read_floors(Path(found["floors"])) == {each["case_id"]: each["floor"] for each in found["cases"]}


def test_command_exits_2_above_the_target(command):
    done = command(Maker(lag=lambda number: 1.1 if number % 2 else 1.0), "--pairs", "5")
    assert done.exit_code == 2
    assert "false verdicts: 5 of 5 pairs, 100.00%" in done.output


def test_command_exits_1_after_an_interruption_and_keeps_the_floors(command, tmp_path):
    done = command(Maker(interrupt_at=60), "--pairs", "5")
    assert done.exit_code == 1
    assert "interrupted: 1 finished pairs are kept" in done.output
    assert len(read_floors(tmp_path / "out" / "selfcheck" / "cpu.parquet")) == 1


def test_command_wants_enough_rounds(command):
    done = command(Maker(), "--rounds", "9")
    assert isinstance(done.exception, HarnessError)
    assert str(done.exception) == "--rounds: must be at least 10 (got 9); a rank test needs them"


def test_summary_line_of_the_full_statement(cases):
    result = run(cases("good"), Maker(), pairs=1)
    whole = dataclasses.replace(result.checks[0], pairs=2000, false_verdicts=4)
    line = summary_line(dataclasses.replace(result, checks=(whole,), pooled=1))
    assert line.startswith(
        "false verdicts: 4 of 2000 pairs, 0.20% (at most 0.46% with 95 % confidence; target 0.5%); 1 "
    )


def test_command_with_the_backend_s_own_stopwatch(tmp_path, fault_suite):
    """What the rate is on the machine of the tests is not theirs to say."""
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(fault_suite("ort_quantize_linear")))
    arguments = ["selfcheck", str(path), "--device", "cpu", "--pairs", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in (0, 2), done.output
    assert "of 2 pairs" in done.output
    (floor,) = read_floors(tmp_path / "selfcheck" / "cpu.parquet").values()
    assert floor >= 0

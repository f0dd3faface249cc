"""``pytest --harness-suite``: cases are tests, and benchmarks where pytest-benchmark is."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

pytest_plugins = ("pytester",)

# Installed, the package registers it by itself; a plugin that is named too would be there twice.
INSTALLED = any(each.value == "harness.pytest_plugin" for each in importlib.metadata.entry_points(group="pytest11"))
LOAD = () if INSTALLED else ("-p", "harness.pytest_plugin")
SUITE = """\
name: plugged
op: quantize
shapes: [{name: s, rows: 4, cols: 8}]
matrix: {kernel: [KERNELS], format: int8}
measure: {l2: hot, min_samples: 5, max_time_s: 0.05}
"""


@pytest.fixture
def plugged(pytester, monkeypatch):
    """A function: kernels and options → the result of pytest on a suite of them, in a process of its own."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # in a worker of xdist pytest-benchmark times nothing

    def run(kernels, *words):
        pytester.makefile(".yaml", plugged=SUITE.replace("KERNELS", kernels))
        given = [*LOAD, "-p", "no:xdist", "--harness-device", "cpu"]
        return pytester.runpytest_subprocess(*given, "--harness-suite", "plugged.yaml", *words)

    return run


def test_each_case_is_a_test(plugged):
    found = plugged("good, guarded, inaccurate, segfault, raises", "-v")
    found.assert_outcomes(passed=2, failed=3)
    assert found.ret == 1
    found.stdout.fnmatch_lines(
        [
            "*plugged.yaml::quantize/good/*PASSED*",
            "*plugged.yaml::quantize/inaccurate/*FAILED*",
            "*inaccurate: 1 of 32 codes differ*",
            "*crashed: *SIGSEGV*",
            "*runtime_error: ValueError: the kernel's own words*",
        ]
    )
    assert "Traceback" not in found.stdout.str()


def test_thresholds_fail_cases(plugged):
    plugged("good", "--harness-threshold", "sqnr_db>=10").assert_outcomes(passed=1)
    found = plugged("good", "--harness-threshold", "sqnr_db>=300", "--harness-threshold", "time_s <= 1e-12")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["sqnr_db: must be >= 300 (got *); time_s: must be <= 1e-12 (got *)"])


def test_a_figure_that_a_record_lacks_passes(plugged):
    plugged("good", "--harness-threshold", "weight_sqnr_db>=300").assert_outcomes(passed=1)


@pytest.mark.parametrize("text", ["sqnr>=30", "sqnr_db", "sqnr_db=30", "sqnr_db>=x", "kernel>=1", "sqnr_db>=nan"])
def test_thresholds_that_are_none_are_refused(plugged, text):
    found = plugged("good", "--harness-threshold", text)
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*--harness-threshold: must *"])


def test_filters_and_pytest_s_own_selection(plugged):
    plugged("good, guarded", "--harness-filter", "kernel=gu*").assert_outcomes(passed=1)
    plugged("good, guarded", "-k", "good").assert_outcomes(passed=1, deselected=1)


def test_a_case_that_cannot_run_here_is_skipped(pytester):
    suite = SUITE.replace("KERNELS", "good, affine")
    pytester.makefile(".yaml", plugged=suite)
    words = [*LOAD, "--harness-device", "cpu", "--harness-suite", "plugged.yaml", "-rs"]
    found = pytester.runpytest_subprocess(*words)
    found.assert_outcomes(passed=1, skipped=1)


def test_a_refused_suite_is_an_error_of_collection(plugged):
    found = plugged("nosuch")
    assert found.ret == pytest.ExitCode.INTERRUPTED
    found.stdout.fnmatch_lines(["*plugged.yaml:4:*nosuch*"])


def test_no_suite_of_that_name(pytester):
    found = pytester.runpytest_subprocess(*LOAD, "--harness-suite", "nosuch.yaml")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*must be a suite's YAML file*"])


def test_tests_that_are_asked_for_run_too_and_others_do_not(pytester, plugged):
    pytester.makepyfile(test_other="def test_other(): pass")
    plugged("good").assert_outcomes(passed=1)
    plugged("good", "test_other.py").assert_outcomes(passed=2)


def test_without_the_option_nothing_happens(pytester):
    pytester.makefile(".yaml", plugged=SUITE)
    pytester.makepyfile(
        "import sys\ndef test_light():\n    assert 'harness.plan' not in sys.modules\n    assert 'numpy' not in sys.modules"
    )
    pytester.runpytest_subprocess(*LOAD).assert_outcomes(passed=1)


def test_cases_are_benchmarks_with_the_samples_of_the_device(pytester, plugged):
    plugged("slow", "--benchmark-json", "out.json").assert_outcomes(passed=1)
    (found,) = json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    info = found["extra_info"]
    assert info["case"] == "quantize/slow/s[4x8]/int8/per_tensor"
    assert info["sqnr_db"] > 10
    assert found["stats"]["median"] == pytest.approx(info["time_s"])
    assert found["stats"]["median"] >= 0.05
    assert found["stats"]["rounds"] == info["samples"]
    assert found["group"] == "quantize s"


def test_without_pytest_benchmark_cases_are_plain_tests(plugged):
    plugged("good, inaccurate", "-p", "no:benchmark").assert_outcomes(passed=1, failed=1)

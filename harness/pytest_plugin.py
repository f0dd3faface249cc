"""``pytest --harness-suite suites/gemm.yaml``: each planned case of a suite is a test.

It fails where the case does not end ``ok`` or a figure is beyond ``--harness-threshold``. Where pytest-benchmark is
installed, the case is one of its benchmarks: the samples are those that the harness took on the device, and every figure of
the record is in ``extra_info``, so that its storage and comparison work.

Registered for every pytest of the environment: nothing of the harness is imported before the option is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.suite_tests import SuiteSession

_SESSION: pytest.StashKey[SuiteSession] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "quantization harness")
    add: Callable[..., None] = group.addoption
    add("--harness-suite", action="append", default=[], metavar="SUITE", help="Test the cases of a suite; repeatable.")
    add("--harness-device", default="auto", metavar="NAME", help="auto, cpu or cuda:N.")
    add("--harness-filter", action="append", default=[], metavar="AXIS=VALUE", help="As harness run --filter.")
    add(
        "--harness-threshold",
        action="append",
        default=[],
        metavar="COLUMN>=VALUE",
        help="Fail where a column of a record is beyond: sqnr_db>=30, time_s<=1e-3; records without it pass. Repeatable.",
    )
    add("--harness-offline", action="store_true", help="Download nothing; cases that need it are skipped.")
    add("--harness-case-timeout", type=float, default=300.0, metavar="S", help="Seconds after which a case is ended.")


def pytest_configure(config: pytest.Config) -> None:
    suites = [str(Path(each).resolve()) for each in config.getoption("--harness-suite")]
    if not suites:
        return
    from harness.errors import HarnessError
    from harness.suite_tests import SuiteSession, parse_threshold

    for suite in suites:
        if not Path(suite).is_file():
            raise pytest.UsageError(f"--harness-suite: must be a suite's YAML file (got {suite}); check the path")
    try:
        thresholds = tuple(map(parse_threshold, config.getoption("--harness-threshold")))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SESSION] = SuiteSession(
        device=config.getoption("--harness-device"),
        filters=tuple(config.getoption("--harness-filter")),
        thresholds=thresholds,
        offline=config.getoption("--harness-offline"),
        case_timeout_s=config.getoption("--harness-case-timeout"),
    )
    # Paths that were asked for stay; what pytest would look through by default does not.
    asked = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    config.args = [*asked, *(each for each in suites if each not in asked)]


def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash.get(_SESSION, None)
    if session is not None:
        session.end()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    suites = [Path(each).resolve() for each in parent.config.getoption("--harness-suite")]
    return SuiteFile.from_parent(parent, path=file_path) if file_path.resolve() in suites else None


class SuiteFile(pytest.File):
    """A suite; its cases are collected in the order of the plan."""

    def collect(self) -> Iterator[pytest.Item]:
        from harness.errors import HarnessError

        try:
            cases = self.config.stash[_SESSION].cases(self.path)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            function = _test_of(self.config, case)
            item = CaseItem.from_parent(self, name=case.name, callobj=function, originalname=case.name)
            if _has_benchmark(self.config):
                marker: Any = pytest.mark.benchmark
                item.add_marker(marker(timer=function.replay, group=f"{case.op} {case.shape.name}", disable_gc=False))
            yield item


class CaseItem(pytest.Function):
    """A case. What it fails of is said in words, not in a traceback."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *arguments: Any, **settings: Any) -> Any:
        from harness.errors import HarnessError

        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *arguments, **settings)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class Replay:
    """A clock that shows each of ``samples`` (seconds) as the time between two looks at it."""

    def __init__(self) -> None:
        self.samples: Sequence[float] = ()
        self._looks = 0

    def __call__(self) -> float:
        index, is_end = divmod(self._looks, 2)
        self._looks += 1
        return self.samples[index % len(self.samples)] if is_end and self.samples else 0.0


def _has_benchmark(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("benchmark")


def _test_of(config: pytest.Config, case: Any) -> Any:
    """The function of a case's item; it has the clock that pytest-benchmark shall read as ``replay``."""
    replay = Replay()

    def run() -> tuple[list[float], dict[str, Any]]:
        outcome = config.stash[_SESSION].run(case)
        if outcome.skipped:
            pytest.skip(outcome.skipped)
        if outcome.expected:
            pytest.xfail(outcome.expected)
        return outcome.samples, outcome.figures

    def benchmarked(benchmark: Any) -> None:
        replay.samples, figures = run()
        benchmark.extra_info.update(figures)
        benchmark.pedantic(lambda: None, rounds=max(1, len(replay.samples)))

    def plain() -> None:
        run()

    function: Any = benchmarked if _has_benchmark(config) else plain
    function.replay = replay
    return function

"""``harness selfcheck``: the cases of suites, timed against themselves. In this process; a case that fails is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.backends import BACKENDS
from harness.case import Case
from harness.device import Device
from harness.errors import HarnessError, first_line
from harness.execute import tensors_on
from harness.selfcheck.options import SelfcheckOptions
from harness.selfcheck.pairs import MakeStopwatch, repeat_pairs
from harness.selfcheck.result import Measured, SelfcheckResult, result_of
from harness.verdict import CasePair


def default_suites(backend: str) -> tuple[Path, ...]:
    """Fast kernels that stand for the others: products and codes, from cache-sized tensors to ones beyond it."""
    return tuple(sorted((Path(__file__).parent / "suites" / backend).glob("*.yaml")))


def selfcheck(
    cases: Sequence[Case],
    device: Device,
    options: SelfcheckOptions,
    *,
    make_stopwatch: MakeStopwatch | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> SelfcheckResult:
    """Time ``cases`` (at least one) against themselves. Ctrl-C (KeyboardInterrupt) ends it early: the pairs that are
    there are judged, ``complete`` is False. ``make_stopwatch`` replaces the backend's.

    Raises HarnessError where not one pair was finished.
    """
    tensors = tensors_on(device, offline=options.offline)
    measured: list[Measured] = []
    interrupted = False
    for case, repeats in zip(cases, shares(options.pairs, len(cases)), strict=True):
        say(f"[{len(measured) + 1}/{len(cases)}] {case.name}: {repeats} pairs")
        found, interrupted = _measure(case, repeat_pairs(case, device, tensors, repeats, options, make_stopwatch))
        measured.append(found)
        if interrupted:
            break
        if found.error:
            say(f"failed: {case.name}: {found.error}")
            if not BACKENDS[device.backend].is_usable(device):
                say(f"{device.name} answers no more after that; the cases that are left are not measured")
                interrupted = True
                break
    if not any(each.pairs for each in measured):
        why = next(each.error for each in measured if each.error)
        raise HarnessError(f"selfcheck: needs at least one finished pair (got {why}); see `harness doctor`")
    return result_of(device, measured, complete=not interrupted)


def _measure(case: Case, pairs: Iterator[CasePair]) -> tuple[Measured, bool]:
    """Take pairs until they end, one fails, or Ctrl-C (then True); those before it are kept."""
    taken: list[CasePair] = []
    try:
        for pair in pairs:
            taken.append(pair)  # noqa: PERF402 (a list of all would lose those before a failure)
    except KeyboardInterrupt:
        return Measured(case, tuple(taken), "interrupted"), True
    except Exception as failure:
        return Measured(case, tuple(taken), _words(failure)), False
    return Measured(case, tuple(taken)), False


def shares(pairs: int, cases: int) -> list[int]:
    """How many of ``pairs`` each case gets: as even as can be, at least one."""
    each, more = divmod(pairs, cases)
    return [max(1, each + (index < more)) for index in range(cases)]


def _words(failure: Exception) -> str:
    text = first_line(failure)
    return text if isinstance(failure, HarnessError) else f"{type(failure).__name__}: {text}"

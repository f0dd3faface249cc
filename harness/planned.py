"""The cases of suites that can run on a device, for commands that look at cases without running a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.case import Case
from harness.device import Device
from harness.errors import HarnessError
from harness.plan import plan
from harness.select import select
from harness.suite import load_suite


def planned_cases(suites: Sequence[Path], device: Device, filters: Sequence[str], asks: str) -> tuple[Case, ...]:
    """The cases of the suites that can run on ``device`` and that the filters leave; axes of one op say nothing of
    another's suite. ``asks`` names the command in messages. Raises SuiteError for a suite that is refused, HarnessError where no case is left."""
    chosen: list[Case] = []
    refusals: list[HarnessError] = []
    for suite in map(load_suite, suites):
        try:
            chosen += [case for case in select(plan(suite, device), suite, filters, None) if case.skip is None]
        except HarnessError as error:
            refusals.append(error)
    if not chosen:
        raise next(iter(refusals), None) or HarnessError(
            f"{asks}: needs cases that can run on {device.name} (got none); see `harness plan --skipped`"
        )
    return tuple(chosen)

"""Cases of suites as tests: planned, run in a worker, judged. What ``pytest_plugin`` stands on."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.backends import find_device
from harness.case import Case
from harness.columns import Row
from harness.data.models import pull
from harness.data.source import required_models
from harness.device import Device
from harness.environment import environment_of
from harness.errors import DataError, HarnessError, did_you_mean
from harness.kernels import kernel as kernel_row
from harness.kernels.spec import PITFALL
from harness.plan import plan
from harness.record import COLUMNS, Record, Status
from harness.select import select
from harness.suite import load_suite
from harness.supervise import Supervisor

_THRESHOLD = re.compile(r"\s*(\w+)\s*(<=|>=)\s*(\S+)\s*")
_HOLDS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


class CaseFailed(HarnessError):
    """A case that does not end ``ok``, or a figure beyond its threshold."""


@dataclass(frozen=True)
class Threshold:
    """``column`` must be at most (``<=``) or at least (``>=``) ``value``, in SI units."""

    column: str
    relation: str
    value: float

    def broken_by(self, row: Row) -> str | None:
        """What is wrong, or None; records that do not have the figure are left alone."""
        got = row[self.column]
        if got is None or _HOLDS[self.relation](got, self.value):
            return None
        return f"{self.column}: must be {self.relation} {self.value:g} (got {got:g})"


def parse_threshold(text: str) -> Threshold:
    """``sqnr_db>=30``. Raises HarnessError for anything else, and for a column that holds no numbers."""
    numeric = [name for name, column in COLUMNS.items() if str(column.type) in ("double", "int64")]
    found = _THRESHOLD.fullmatch(text)
    try:
        value = float(found[3]) if found else math.nan
    except ValueError:
        value = math.nan
    if found is None or math.isnan(value):
        raise HarnessError(
            f"--harness-threshold: must be COLUMN>=VALUE or COLUMN<=VALUE (got {text!r}); sqnr_db>=30, say"
        )
    if found[1] not in numeric:
        raise HarnessError(
            f"--harness-threshold: must name a column of numbers (got {found[1]!r}); {did_you_mean(found[1], numeric)}"
        )
    return Threshold(found[1], found[2], value)


@dataclass(frozen=True)
class CaseOutcome:
    """``samples`` are seconds; ``figures`` the record's, as JSON can hold them. ``skipped``, ``expected``: why it was not run,
    and how it went wrong where that is its purpose."""

    samples: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""
    expected: str = ""


class SuiteSession:
    """The device and the worker that all cases of a test session share; both are made when they are first needed."""

    def __init__(
        self,
        *,
        device: str,
        filters: tuple[str, ...],
        thresholds: tuple[Threshold, ...],
        offline: bool,
        case_timeout_s: float,
    ) -> None:
        self._name, self._filters, self._thresholds = device, filters, thresholds
        self._offline, self._timeout = offline, case_timeout_s
        self._device: Device | None = None
        self._supervisor: Supervisor | None = None
        self._environment: dict[str, str | None] = {}

    def cases(self, path: Path) -> tuple[Case, ...]:
        """The planned cases of a suite that the filters leave. Raises HarnessError for a suite, device or filter that is
        refused."""
        suite = load_suite(path)
        return select(plan(suite, self._found()), suite, self._filters, None)

    def run(self, case: Case) -> CaseOutcome:
        """Run a case. Raises CaseFailed where it is not ``ok``, or beyond a threshold."""
        if case.skip is not None:
            return CaseOutcome(skipped=case.skip)
        if (missing := self._missing(case)) is not None:
            return CaseOutcome(skipped=missing)
        device, role = self._found(), kernel_row(case.op, case.kernel).role
        outcome = self._worker().run(case)
        row = Record("", device.name, role, case, outcome, self._environment).row()
        if outcome.status is not Status.OK:
            words = f"{outcome.status}: {outcome.reason}"
            if role == PITFALL:
                return CaseOutcome(expected=words)
            raise CaseFailed(words)
        broken = [fault for each in self._thresholds if (fault := each.broken_by(row)) is not None]
        if broken and role != PITFALL:
            raise CaseFailed("; ".join(broken))
        samples = [] if outcome.timing is None else outcome.timing.samples.tolist()
        return CaseOutcome(samples, {name: _plain(value) for name, value in row.items() if value is not None})

    def end(self) -> None:
        """End the worker."""
        if self._supervisor is not None:
            self._supervisor.__exit__(None)
            self._supervisor = None

    def _found(self) -> Device:
        if self._device is None:
            self._device = find_device(self._name)
        return self._device

    def _worker(self) -> Supervisor:
        if self._supervisor is None:
            self._environment = environment_of(self._found())
            self._supervisor = Supervisor(self._found(), case_timeout_s=self._timeout, offline=self._offline)
        return self._supervisor

    def _missing(self, case: Case) -> str | None:
        """Why a model that the case needs cannot be had, or None."""
        for model in dict.fromkeys(name for _, source in case.shape.sources for name in required_models(source)):
            try:
                pull(model, offline=self._offline, progress=lambda message: None)
            except DataError as error:
                return str(error)
        return None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value

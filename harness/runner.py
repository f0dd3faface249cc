"""Suite → results: plan, fetch what the data need, run each case in a worker, keep every record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends import BACKENDS, find_device
from harness.case import Case
from harness.columns import Row
from harness.data.source import required_models
from harness.derive import derive
from harness.device import Device
from harness.environment import environment_of
from harness.errors import DataError, StoreError
from harness.kernels import kernel as kernel_row
from harness.kernels.spec import load_attribute
from harness.options import RunOptions
from harness.plan import plan
from harness.record import Outcome, Record, Status
from harness.select import select
from harness.spawn import Spawned, spawn
from harness.store import RunHeader, RunWriter, StoredRun, find_run, new_run_id, rows_to_frame
from harness.suite import Suite, load_suite
from harness.supervise import Supervisor

if TYPE_CHECKING:
    import pandas as pd


class Watcher:
    """Told how a run goes on. By itself it keeps quiet."""

    def begin(self, device: Device, total: int, done: int) -> None: ...

    def say(self, message: str) -> None: ...

    def start(self, case: Case) -> None: ...

    def finish(self, case: Case, outcome: Outcome) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, eq=False)
class RunResult:
    """A run's rows and where they lie. ``complete``: every planned case has its row."""

    run_id: str
    suite: str
    device: Device
    path: Path
    rows: tuple[Row, ...]
    complete: bool

    def frame(self) -> pd.DataFrame:
        return rows_to_frame(list(self.rows))


def run_suite(
    source: str | Path | Mapping[str, Any] | Suite,
    options: RunOptions,
    watcher: Watcher | None = None,
    spawned: Spawned | None = None,
) -> RunResult:
    """Run a suite. Ctrl-C (KeyboardInterrupt) ends it early: finished rows are published, ``complete`` is False.

    ``spawned``: a worker's process, where it is started already; it is ended here. Raises SuiteError for a suite that is
    refused, StoreError, DeviceError or HarnessError for what else the user can mend. Failures of cases are rows, not exceptions.
    """
    watcher = watcher or Watcher()
    spawned = spawned or spawn()
    try:
        suite = source if isinstance(source, Suite) else load_suite(source)
        device = find_device(options.device)
        return _run(suite, device, options, watcher, spawned)
    finally:
        spawned.end()


def _run(suite: Suite, device: Device, options: RunOptions, watcher: Watcher, spawned: Spawned) -> RunResult:
    stored = find_run(options.out, suite.name, options.resume) if options.resume else None
    if stored is not None:
        options = _as_stored(options, stored)
    cases = select(plan(suite, device), suite, options.filters, options.limit)
    header = RunHeader(
        stored.header.run_id if stored else new_run_id(),
        suite.name,
        device.name,
        options.filters,
        options.limit,
        _plan_digest(cases),
        len(cases),
        device.model,
        options.energy,
    )
    if stored is not None:
        _check_same_plan(stored.header, header)
        if stored.finished:
            return _already_complete(stored, device, watcher)
    writer = RunWriter.resume(stored) if stored else RunWriter.create(options.out, header)
    supervisor = Supervisor(
        device,
        case_timeout_s=options.case_timeout_s,
        offline=options.offline,
        energy=options.energy,
        spawned=spawned,
    )
    try:
        return _Run(suite, device, options, writer, watcher, supervisor).go(cases)
    finally:
        writer.close()


def _as_stored(options: RunOptions, stored: StoredRun) -> RunOptions:
    """A resumed run keeps its own selection; asking for another one is an error."""
    kept = stored.header
    for label, asked, had in (("--filter", options.filters, kept.filters), ("--limit", options.limit, kept.limit)):
        if asked and asked != had:
            raise StoreError(
                f"--resume: a run keeps its selection (got {label} {asked}, run {kept.run_id} has {had}); "
                f"leave {label} out, or start a new run"
            )
    return replace(options, filters=kept.filters, limit=kept.limit, energy=kept.energy)


def _check_same_plan(kept: RunHeader, now: RunHeader) -> None:
    if kept.device != now.device or kept.model not in ("", now.model):
        raise StoreError(
            f"--resume: a run stays on its device (got {now.device}, {now.model}; run {kept.run_id} is on {kept.device}, "
            f"{kept.model}); give --device {kept.device} on that machine, or start a new run"
        )
    if kept.plan_digest != now.plan_digest:
        raise StoreError(
            f"--resume: the suite must be the one the run began with (got another plan than run {kept.run_id}'s); "
            "start a new run without --resume"
        )


def _plan_digest(cases: Sequence[Case]) -> str:
    return hashlib.blake2b("\n".join(case.case_id for case in cases).encode(), digest_size=10).hexdigest()


def _already_complete(stored: StoredRun, device: Device, watcher: Watcher) -> RunResult:
    watcher.say(f"run {stored.header.run_id} is complete; nothing to resume")
    rows = tuple(stored.rows())
    return RunResult(stored.header.run_id, stored.header.suite, device, stored.parquet, rows, complete=True)


class _Run:
    def __init__(
        self,
        suite: Suite,
        device: Device,
        options: RunOptions,
        writer: RunWriter,
        watcher: Watcher,
        supervisor: Supervisor,
    ) -> None:
        self._suite, self._device, self._options = suite, device, options
        self._writer, self._watcher, self._supervisor = writer, watcher, supervisor
        self._environment = environment_of(device)  # before the worker uses the device: it lists who else does

    def go(self, cases: Sequence[Case]) -> RunResult:
        done = {row["case_id"] for row in self._writer.rows}
        remaining = [case for case in cases if case.case_id not in done]
        self._watcher.begin(self._device, len(cases), len(cases) - len(remaining))
        if others := self._environment["other_gpu_processes"]:
            self._watcher.say(f"other processes compute on {self._device.name}: {others}; timings are of a shared GPU")
        interrupted = False
        try:
            self._measure(remaining)
        except KeyboardInterrupt:
            interrupted = True
        except StoreError as error:
            run_id, kept = self._writer.header.run_id, len(self._writer.rows)
            raise StoreError(f"{error}; {kept} finished cases are kept, go on with --resume {run_id}") from None
        finally:
            self._watcher.end()
        rows = self._ordered(cases)
        path = self._writer.publish(rows)
        return RunResult(
            self._writer.header.run_id, self._suite.name, self._device, path, tuple(rows), complete=not interrupted
        )

    def _measure(self, cases: Sequence[Case]) -> None:
        self._supervisor.assign()
        missing = self._fetch(cases)
        if prepare := BACKENDS[self._device.backend].prepare:
            load_attribute(prepare)(cases, self._device, self._watcher.say)
        with self._supervisor as supervisor:
            for case in cases:
                reason = case.skip or _first_missing(case, missing)
                if reason is not None:
                    self._keep(case, Outcome(Status.SKIPPED, reason))
                    continue
                self._watcher.start(case)
                self._keep(case, supervisor.run(case))

    def _fetch(self, cases: Sequence[Case]) -> dict[str, str]:
        """Bring the models that the cases need; model → why it could not be had."""
        from harness.data.models import pull  # imports onnx

        sources = [source for case in cases if case.skip is None for _, source in case.shape.sources]
        missing: dict[str, str] = {}
        for model in dict.fromkeys(name for source in dict.fromkeys(sources) for name in required_models(source)):
            try:
                pull(model, offline=self._options.offline, progress=self._watcher.say)
            except DataError as error:
                missing[model] = str(error)
                self._watcher.say(f"{error}")
        return missing

    def _keep(self, case: Case, outcome: Outcome) -> None:
        record = Record(
            self._writer.header.run_id,
            self._device.name,
            kernel_row(case.op, case.kernel).role,
            case,
            outcome,
            self._environment,
        )
        samples = [] if outcome.timing is None else [each.tolist() for each in outcome.timing.by_round()]
        self._writer.append(record.row(), samples)
        self._watcher.finish(case, outcome)

    def _ordered(self, cases: Sequence[Case]) -> list[Row]:
        place = {case.case_id: index for index, case in enumerate(cases)}
        return derive(sorted(self._writer.rows, key=lambda row: place.get(row["case_id"], len(place))))


def _first_missing(case: Case, missing: Mapping[str, str]) -> str | None:
    for _, source in case.shape.sources:
        for model in required_models(source):
            if model in missing:
                return missing[model]
    return None

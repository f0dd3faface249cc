"""How a run shows itself while it goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from harness.backends import BACKENDS
from harness.case import Case
from harness.cli.format import decibels, seconds
from harness.device import Device
from harness.record import Outcome, Status
from harness.runner import Watcher

_STYLES = {Status.OK: "green", Status.SKIPPED: "dim"}


def watcher_for(console: Console) -> Watcher:
    """Live on a terminal, lines elsewhere."""
    return LiveWatcher(console) if console.is_terminal else LineWatcher(console)


def describe_device(device: Device) -> str:
    """The one line that says what runs the suite."""
    if device.backend == "cpu":
        missing = next((text for row in BACKENDS.values() if (text := row.absence())), "not asked for")
        return f"no GPU in use ({missing}): running on the CPU ({device.model})"
    return f"running on {device.name} ({device.model})"


def describe_outcome(outcome: Outcome) -> str:
    """The main figures, or the reason."""
    if outcome.status is Status.OK:
        figures = [decibels(outcome.metrics.get("sqnr_db")), seconds(outcome.timing.time_s if outcome.timing else None)]
        return "  ".join(figures)
    return outcome.reason or ""


class LineWatcher(Watcher):
    """One line a case that ran; skipped ones are counted at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def begin(self, device: Device, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._line(describe_device(device))
        self._line(f"{total} cases" + (f", {done} of them done before" if done else ""))

    def say(self, message: str) -> None:
        self._line(message)

    def finish(self, case: Case, outcome: Outcome) -> None:
        self._done += 1
        if outcome.status is not Status.SKIPPED:
            self._line(f"[{self._done}/{self._total}] {outcome.status}  {case.name}  {describe_outcome(outcome)}")


class LiveWatcher(Watcher):
    """A bar with done/total, time left and the current case; failures scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts: Counter[Status] = Counter()
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            # Names of cases are long: they get what room is left, and never a second line.
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=console,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", total=None)

    def begin(self, device: Device, total: int, done: int) -> None:
        self._console.print(describe_device(device), markup=False)
        self._progress.update(self._task, total=total, completed=done)
        self._progress.start()

    def say(self, message: str) -> None:
        self._progress.console.print(message, markup=False)

    def start(self, case: Case) -> None:
        self._progress.update(self._task, description=escape(case.name))

    def finish(self, case: Case, outcome: Outcome) -> None:
        self._counts[outcome.status] += 1
        self._progress.advance(self._task)
        if outcome.status not in _STYLES:
            self._progress.console.print(f"{outcome.status}  {case.name}  {outcome.reason}", markup=False, style="red")

    def end(self) -> None:
        self._progress.stop()

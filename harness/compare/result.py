"""What a comparison found, case by case."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from harness.kernels.spec import PITFALL
from harness.verdict import CaseVerdict, Change


class Accuracy(StrEnum):
    """Side B's figures of error, held against side A's."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    CHANGED = "changed"
    NOT_COMPARED = "not_compared"


class Conformance(StrEnum):
    """Whether the case ends ``ok`` on both sides."""

    KEPT = "kept"
    BROKEN = "broken"
    MENDED = "mended"
    FAILING = "failing"
    NOT_RUN = "not_run"


@dataclass(frozen=True)
class FigureChange:
    """One figure that is not the same. ``better`` None: a change without a direction."""

    name: str
    a: float
    b: float
    better: bool | None


@dataclass(frozen=True)
class CaseComparison:
    """One case that both sides have. ``speed`` None: not timed on both sides. ``accuracy_reason`` says why figures were
    not compared, ``reason`` how the case ended on side B where not ``ok``. ``time_a_s`` and ``time_b_s`` are seconds."""

    case_id: str
    case: str
    suite: str
    op: str
    kernel: str
    role: str
    status_a: str
    status_b: str
    reason: str | None
    time_a_s: float | None
    time_b_s: float | None
    speed: CaseVerdict | None
    accuracy: Accuracy
    figures: tuple[FigureChange, ...]
    accuracy_reason: str | None

    @property
    def conformance(self) -> Conformance:
        if "skipped" in (self.status_a, self.status_b):
            return Conformance.NOT_RUN
        fine = (self.status_a == "ok", self.status_b == "ok")
        return {
            (True, True): Conformance.KEPT,
            (True, False): Conformance.BROKEN,
            (False, True): Conformance.MENDED,
            (False, False): Conformance.FAILING,
        }[fine]

    @property
    def is_pitfall(self) -> bool:
        """Wrong on purpose: nothing that it does is a regression."""
        return self.role == PITFALL

    @property
    def is_remarkable(self) -> bool:
        """Whether there is more to say than that nothing changed."""
        moved = self.speed is not None and self.speed.verdict is not Change.SAME
        broken = self.conformance in (Conformance.BROKEN, Conformance.MENDED)
        return moved or broken or self.accuracy not in (Accuracy.SAME, Accuracy.NOT_COMPARED)


@dataclass(frozen=True)
class CaseName:
    """A case that only one side has."""

    case_id: str
    case: str
    suite: str
    status: str


@dataclass(frozen=True)
class Comparison:
    """``a`` and ``b`` are the sides' labels; ``notes`` what a reader should know before believing the rest."""

    a: str
    b: str
    cases: tuple[CaseComparison, ...]
    added: tuple[CaseName, ...]
    removed: tuple[CaseName, ...]
    notes: tuple[str, ...]

    @property
    def speeds(self) -> Counter[Change]:
        return Counter(each.speed.verdict for each in self.cases if each.speed is not None)

    @property
    def accuracies(self) -> Counter[Accuracy]:
        return Counter(each.accuracy for each in self.cases)

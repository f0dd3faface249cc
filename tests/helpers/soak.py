"""A long run: cases of every op mixed, faults among them, and the memory that all this takes.

A worker's first cases load libraries and compiled code and fill the cache of operands. So the sound cases are a deck of
limited size that is dealt again and again: once a worker has been through it, nothing that it meets is new, and what it
holds more of afterwards it has leaked. Two moments are compared: ``settled`` cases after the start, in the first worker, and
the end, in the last one. Both have been through the whole deck by then, since faults that cost a worker come after the first
moment and at least two deals of the deck before the end.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fault_kernels import Fault
from worker_memory import Memory, Watch, mebibytes

from harness.case import Case
from harness.device import Device
from harness.plan import plan
from harness.record import Outcome, Status
from harness.suite import load_suite
from harness.supervise import Supervisor

_MEASURE = {"min_samples": 3, "min_time_s": 0.0, "max_time_s": 0.01}
_SHAPES = [
    {"name": "odd", "rows": 33, "cols": 131},
    {"name": "even", "rows": 64, "cols": 256},
    {"name": "nchw", "shape": [2, 3, 8, 16], "channel_axis": 1},
]
_AXES = {"format": ["int8", "uint8", "int4"], "granularity": ["per_tensor", "per_channel", "per_group:32"]}
_KERNELS = {
    "quantize": ["affine", "ort_quantize_linear", "reference"],
    "dequantize": ["affine", "ort_dequantize_linear", "reference"],
    "fake_quantize": ["ort_qdq", "reference"],
    "statistics": ["affine", "reference"],
    "calibration": ["reference"],
}
_ONE_TENSOR = tuple(
    {
        "name": f"soak-{op}",
        "op": op,
        "shapes": _SHAPES,
        "matrix": {"kernel": kernels, **_AXES, "symmetric": [True, False], "calibration": ["minmax", "percentile:99"]},
    }
    for op, kernels in _KERNELS.items()
)
_GEMM = {
    "name": "soak-gemm",
    "op": "gemm",
    "shapes": [{"name": "odd", "m": [1, 17], "n": 65, "k": [64, 96]}, {"name": "even", "m": 64, "n": 128, "k": 256}],
    "matrix": {
        "kernel": [
            *("cublas_f16", "cublas_f32", "dp4a", "wmma_s8", "int4_packed"),
            *("ort_f32", "ort_matmul_integer", "ort_qlinear_matmul", "ort_matmul_nbits", "reference"),
        ],
        "scheme": ["w8a8", "w4a16_g32", "w4a8_g128", "w4a4", "fp8_row", "mxfp4"],
    },
}
_SUITES: tuple[dict[str, Any], ...] = (*_ONE_TENSOR, _GEMM)


@dataclass(frozen=True)
class Plan:
    """``cases`` in all, ``deck`` of them different (besides faults), memory read after each ``every`` of them."""

    faults: tuple[Fault, ...]
    cases: int = 2000
    deck: int = 250
    settled: int = 300
    every: int = 100
    case_timeout_s: float = 10.0
    l2: str = "cold"
    seed: int = 0


@dataclass(eq=False)
class Soak:
    """What came of it. ``wrong`` are outcomes that were not as expected, in words; ``given`` counts what each fault gave."""

    plan: Plan
    wrong: list[str] = field(default_factory=list)
    given: Counter[tuple[str, str]] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)
    memory: list[Memory] = field(default_factory=list)
    idle: tuple[Memory, ...] = ()
    """Before the first worker, and after the last."""
    seconds: float = 0.0

    @property
    def growth(self) -> dict[str, tuple[int, int]]:
        """What is watched → bytes at the two moments."""
        settled = next(each for each in self.memory if each.cases == self.plan.settled)
        pairs = {
            "parent": (settled.parent, self.memory[-1].parent),
            "worker": (settled.worker_bytes, self.memory[-1].worker_bytes),
            "device": (settled.device, self.memory[-1].device),
            "device, no worker": (self.idle[0].device, self.idle[1].device),
        }
        return {name: (first, last) for name, (first, last) in pairs.items() if first is not None and last is not None}

    def table(self) -> str:
        """The whole in words, for people."""
        workers = list(dict.fromkeys(each.worker for each in self.memory if each.worker is not None))
        lines = [
            f"{self.plan.cases} cases in {self.seconds:.0f} s: {', '.join(f'{n} {op}' for op, n in sorted(self.ops.items()))}, "
            f"{sum(self.given.values())} faults",
            *(f"  {count} × {kernel}: {status}" for (kernel, status), count in sorted(self.given.items())),
            "  cases  worker  parent MiB  worker MiB  device MiB",
        ]
        for each in self.memory:
            number = "–" if each.worker is None else str(workers.index(each.worker) + 1)
            sizes = (each.parent, each.worker_bytes, each.device)
            lines.append(f"  {each.cases:5}  {number:>6}  " + "  ".join(f"{mebibytes(size):>10}" for size in sizes))
        for name, (first, last) in self.growth.items():
            lines.append(f"  {name}: {mebibytes(first)} → {mebibytes(last)} MiB, {last / first - 1:+.1%}")
        return "\n".join(lines + self.wrong)


def soak(device: Device, wanted: Plan) -> Soak:
    """Run it."""
    dealt, made = deal(device, wanted), Soak(wanted)
    expected = {fault.kernel: fault for fault in wanted.faults}
    watch = Watch(device)
    begin, before = time.monotonic(), watch.read(0)
    with Supervisor(device, case_timeout_s=wanted.case_timeout_s) as supervisor:
        for number, case in enumerate(dealt, 1):
            outcome = supervisor.run(case)
            fault = expected.get(case.kernel)
            if fault is None:
                made.ops[case.op] += 1
            else:
                made.given[fault.kernel, str(outcome.status)] += 1
            if not _as_expected(outcome, fault):
                made.wrong.append(f"case {number}, {case.name}: {outcome.status}, {outcome.reason}")
            watch.look()
            if number % wanted.every == 0:
                made.memory.append(watch.read(number))
    made.idle = (before, watch.read(len(dealt)))
    made.seconds = time.monotonic() - begin
    return made


def _as_expected(outcome: Outcome, fault: Fault | None) -> bool:
    if fault is None:
        return outcome.status is Status.OK and outcome.timing is not None
    return outcome.status == fault.status and fault.words in (outcome.reason or "") and outcome.timing is None


def deal(device: Device, wanted: Plan) -> list[Case]:
    """The cases in the order in which they are run; the same for the same plan."""
    chance = random.Random(wanted.seed)
    deck = sound_cases(device, wanted)
    dealt: list[Case] = []
    while len(dealt) < wanted.cases - len(wanted.faults):
        dealt += chance.sample(deck, len(deck))
    dealt = dealt[: wanted.cases - len(wanted.faults)]
    for place, case in sorted(_places(device, wanted, chance).items()):
        dealt.insert(place, case)
    return dealt


def sound_cases(device: Device, wanted: Plan) -> list[Case]:
    """The deck: as many of each op that can be run on ``device``."""
    chance = random.Random(wanted.seed)
    deck: list[Case] = []
    for index, suite in enumerate(_SUITES):
        cases = [case for case in plan(load_suite(_measured(suite, wanted)), device) if case.skip is None]
        deck += chance.sample(cases, (wanted.deck - len(deck)) // (len(_SUITES) - index))
    return deck


def _places(device: Device, wanted: Plan, chance: random.Random) -> dict[int, Case]:
    """Where the faults come: after ``settled``, never two together, those that cost a worker not in the last two deals."""
    suite = {
        "name": "soak-faults",
        "op": "quantize",
        "shapes": [{"name": "s", "rows": 4, "cols": 8}],
        "matrix": {"kernel": list(dict.fromkeys(fault.kernel for fault in wanted.faults)), "format": "int8"},
    }
    cases = {case.kernel: case for case in plan(load_suite(_measured(suite, wanted)), device)}
    places: dict[int, Case] = {}
    for fault in sorted(wanted.faults, key=lambda each: not each.kills):
        last = wanted.cases - (2 * wanted.deck + len(wanted.faults) if fault.kills else 1)
        free = [place for place in range(wanted.settled, last, 2) if place not in places]
        places[chance.choice(free)] = cases[fault.kernel]
    return places


def _measured(suite: dict[str, Any], wanted: Plan) -> dict[str, Any]:
    return {**suite, "measure": {**_MEASURE, "l2": wanted.l2}}


def times(faults: Sequence[Fault], *, killing: int, sparing: int) -> tuple[Fault, ...]:
    """Each fault so many times, by whether it costs a worker."""
    return tuple(fault for fault in faults for _ in range(killing if fault.kills else sparing))

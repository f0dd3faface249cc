"""Pairs of one case: two kernel objects of the same spec on the same problem, timed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness.backends import BACKENDS
from harness.case import Case
from harness.device import Device
from harness.errors import HarnessError
from harness.execute import prepare
from harness.kernels.family import Kernel
from harness.kernels.spec import load_attribute
from harness.kernels.tensors import Tensors
from harness.selfcheck.options import SelfcheckOptions
from harness.timing import Measure, Stopwatch
from harness.verdict import CasePair

MakeStopwatch = Callable[[Kernel, Measure], Stopwatch]


def stopwatch_of(backend: str) -> MakeStopwatch:
    """What makes stopwatches on a backend."""
    make: MakeStopwatch = load_attribute(BACKENDS[backend].stopwatch)
    return make


def repeat_pairs(
    case: Case,
    device: Device,
    tensors: Tensors,
    repeats: int,
    options: SelfcheckOptions,
    make_stopwatch: MakeStopwatch | None = None,
) -> Iterator[CasePair]:
    """``repeats`` pairs of a case, one by one. Each has kernels, operands and stopwatches of its own, as two versions
    would. Raises HarnessError for a kernel that does not conform: its time means nothing."""
    made = prepare(case, device, tensors)
    made.kernel.launch()
    verdict = made.family.judge(made.problem, made.kernel.output())
    if not verdict.conforms:
        raise HarnessError(f"{case.kernel}: must conform before it is timed (got {verdict.reason}); run its suite")
    make_kernel, make_stopwatch = made.spec.load(), make_stopwatch or stopwatch_of(case.backend)
    most = min(options.samples, made.spec.max_samples or options.samples)
    for _ in range(repeats):
        a, b = (make_stopwatch(make_kernel(made.problem, device), case.measure) for _ in range(2))
        yield CasePair(case.case_id, *interleaved(a, b, options.rounds, most, case.measure.max_time_s))


def interleaved(
    a: Stopwatch, b: Stopwatch, rounds: int, most: int, warm_up_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Medians of ``rounds`` rounds of each, in turn: A B, B A, A B, … so that neither always follows the other and what
    drifts drifts for both. Each is warmed up once, for at most ``warm_up_s``."""
    sides = (a, b)
    for side in sides:
        side.warm_up(side.clock() + warm_up_s)
    medians = np.empty((2, rounds))
    for index in range(rounds):
        for which in (0, 1) if index % 2 == 0 else (1, 0):
            sides[which].rest(warm_up_s)
            medians[which, index] = np.median(sides[which].round(most).samples)
    return medians[0], medians[1]

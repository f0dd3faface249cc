"""The process that is profiled: one case, its launches within NVTX ranges.

Preparation, conformance and warm-up run before the range ``profile``; in it each launch has a range ``launch`` of its own,
so that what makes the cache cold between launches is not profiled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.backends.cuda.nvtx import nvtx_range
from harness.case import Case
from harness.device import Device
from harness.errors import HarnessError
from harness.execute import prepare, tensors_on
from harness.kernels.tensors import Tensors

PROFILE_RANGE = "profile"
LAUNCH_RANGE = "launch"
_WARM_UP_LAUNCHES = 5


def profile(case: Case, device: Device, tensors: Tensors, launches: int) -> None:
    """Run ``case`` once for conformance, warm up, then launch it ``launches`` times in the state of the cache that its
    ``l2`` asks for.

    Raises HarnessError where the kernel does not conform: its profile would be that of something else.
    """
    with nvtx_range(case.name):
        with nvtx_range("prepare"):
            made = prepare(case, device, tensors)
            kernel = made.kernel
        with nvtx_range("conformance"):
            kernel.launch()
            verdict = made.family.judge(made.problem, kernel.output())
            if not verdict.conforms:
                raise HarnessError(f"{case.name}: must conform to be profiled (got: {verdict.reason}); mend the kernel")
        with nvtx_range("warm-up"):
            cache = _cache_state(kernel, case)
            for _ in range(max(_WARM_UP_LAUNCHES, kernel.sets)):
                cache.next()
                kernel.launch()
            kernel.session.synchronize()
        with nvtx_range(PROFILE_RANGE):
            for _ in range(launches):
                cache.next()
                with nvtx_range(LAUNCH_RANGE):
                    kernel.launch()
            kernel.session.synchronize()


def _cache_state(kernel: Any, case: Case) -> Any:
    """What readies the cache before each launch, as when the case is timed."""
    from harness.backends.cuda.cooling import Cold, Hot

    return Cold(kernel) if case.measure.l2 == "cold" else Hot(kernel)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Raises SystemExit with a message for what the user can mend."""
    from harness.profiling.choice import choose

    parser = argparse.ArgumentParser(prog="python -m harness.profiling", description="The process that is profiled.")
    parser.add_argument("suite", type=Path, help="the suite's YAML file")
    parser.add_argument("case", help="the case's name, case_id, or a glob")
    parser.add_argument("--device", default="auto", help="auto or cuda:N")
    parser.add_argument("--launches", type=int, default=1, help="launches that are profiled")
    asked = parser.parse_args(arguments)
    try:
        case, device = choose(asked.suite, asked.case, asked.device)
        profile(case, device, tensors_on(device), asked.launches)
    except HarnessError as error:
        sys.exit(f"error: {error}")

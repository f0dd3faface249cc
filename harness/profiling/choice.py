"""Which case is profiled: exactly one that can run on a CUDA device."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from harness.backends import BACKENDS, find_device
from harness.case import Case
from harness.combinations import matches
from harness.device import Device
from harness.errors import DeviceError, HarnessError
from harness.plan import plan
from harness.suite import load_suite

_SHOWN = 5


def choose(suite: Path, wanted: str, device_name: str) -> tuple[Case, Device]:
    """The case of the suite that ``wanted`` (a name, a case_id, or a glob over either) means, and its device.

    Raises SuiteError, DeviceError where there is no such CUDA device, and HarnessError where no case or more than one
    is meant.
    """
    device = cuda_device(device_name)
    return the_case(plan(load_suite(suite), device), wanted), device


def cuda_device(name: str) -> Device:
    """The CUDA device of that name, the first for ``auto``. Raises DeviceError where it is not there."""
    if name == "cpu":
        raise DeviceError("profile: needs a CUDA device (got cpu); profile `harness run` with perf or py-spy on a CPU")
    if absence := BACKENDS["cuda"].absence():
        raise DeviceError(f"profile: needs a CUDA device (got none: {absence}); see `harness doctor`")
    return find_device("cuda" if name == "auto" else name)


def the_case(cases: Sequence[Case], wanted: str) -> Case:
    """The one case that ``wanted`` means. A name or a case_id comes before globs: names may hold brackets."""
    found = [case for case in cases if wanted in (case.case_id, case.name)]
    found = found or [case for case in cases if matches(case.case_id, (wanted,)) or matches(case.name, (wanted,))]
    able = [case for case in found if _problem(case) is None]
    if len(able) == 1:
        return able[0]
    if able:
        raise HarnessError(f"CASE: must mean one case (got {wanted!r}, which means {len(able)}); {_listed(able)}")
    if found:
        raise HarnessError(
            f"CASE: must be a case that runs on the CUDA device (got {found[0].name}, which {_problem(found[0])}); "
            "see `harness plan --skipped`"
        )
    raise HarnessError(f"CASE: must mean a case of the suite (got {wanted!r}); {_near(cases, wanted)}")


def _problem(case: Case) -> str | None:
    """Why the case is nothing for a CUDA profiler: it is skipped, or NumPy computes it."""
    return case.skip or (None if case.backend == "cuda" else f"runs on the {case.backend}")


def _near(cases: Sequence[Case], wanted: str) -> str:
    """Names that hold the text, else the nearest ones, else the first ones."""
    able = {case.name: case for case in cases if _problem(case) is None}
    if not able:
        return "none of its cases runs on the CUDA device, see `harness plan --skipped`"
    names = [name for name in able if wanted in name] or difflib.get_close_matches(wanted, able, n=3, cutoff=0.6)
    return _listed([able[name] for name in names or able])


def _listed(cases: Sequence[Case]) -> str:
    """The first few, one a line; the case_id tells apart what has one name."""
    lines = [f"  {case.case_id}  {case.name}" for case in cases[:_SHOWN]]
    more = [f"  and {len(cases) - _SHOWN} more: see `harness plan`"] if len(cases) > _SHOWN else []
    return "\n".join(["choose among:", *lines, *more])

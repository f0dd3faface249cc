"""The profilers: one row each. Where they are found, and how they are told to profile the target.

Options as in the command-line documents of Nsight Compute and Nsight Systems.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.case import Case
from harness.device import Device
from harness.profiling.target import LAUNCH_RANGE, PROFILE_RANGE
from harness.spawn import imports_from_here

Words = tuple[str, ...]


@dataclass(frozen=True)
class Profiler:
    """One profiler.

    ``options`` makes its words from the report's file and the case; ``places`` are globs of folders that installers use
    and leave out of PATH; ``suffix`` ends the report's name; ``viewer`` opens the report.
    """

    name: str
    product: str
    options: Callable[[Path, Case], Words]
    places: Words
    suffix: str
    viewer: str

    def find(self, root: Path = Path("/")) -> Path | None:
        """The executable on PATH, else the newest in the usual places under ``root``; None where there is none."""
        if on_path := shutil.which(self.name):
            return Path(on_path)
        found = [folder / self.name for place in self.places for folder in root.glob(place)]
        return max((each for each in found if each.is_file()), key=_version, default=None)

    def report(self, wanted: Path) -> Path:
        """``wanted`` with the profiler's own suffix, which it would add itself."""
        return wanted if wanted.suffix == self.suffix else Path(f"{wanted}{self.suffix}")


def _version(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", str(path))))


def _ncu(report: Path, case: Case) -> Words:
    """Every counter of the launches alone. A launch is replayed once a group of counters, so it is ncu that must keep the
    cache cold; its default of locking the clocks would show other clocks than the timing had, and change the device's."""
    cold = case.measure.l2 == "cold"
    return (
        "--nvtx",
        "--nvtx-include",
        f"{PROFILE_RANGE}/{LAUNCH_RANGE}",
        "--set",
        "full",
        "--cache-control",
        "all" if cold else "none",
        "--clock-control",
        "none",
        "--force-overwrite",
        "--export",
        str(report),
    )


def _nsys(report: Path, case: Case) -> Words:
    """The whole timeline, ranges on it: ``nsys stats --filter-nvtx profile`` sums up the profiled one."""
    return (
        "profile",
        "--trace=cuda,nvtx",
        "--sample=none",
        "--cpuctxsw=none",
        "--force-overwrite=true",
        f"--output={report}",
    )


PROFILERS: dict[str, Profiler] = {
    row.name: row
    for row in (
        Profiler(
            "ncu",
            "Nsight Compute",
            _ncu,
            ("usr/local/cuda*/bin", "usr/local/cuda*/nsight-compute-*", "opt/nvidia/nsight-compute/*"),
            ".ncu-rep",
            "ncu-ui",
        ),
        Profiler(
            "nsys",
            "Nsight Systems",
            _nsys,
            ("usr/local/cuda*/bin", "opt/nvidia/nsight-systems/*/bin", "opt/nvidia/nsight-systems-cli/*/bin"),
            ".nsys-rep",
            "nsys-ui",
        ),
    )
}


def target_words(suite: Path, case: Case, device: Device, launches: int) -> Words:
    """The command line of the process that is profiled."""
    return (
        sys.executable,
        *(() if imports_from_here() else ("-P",)),  # a folder named harness must not take this package's place
        *("-m", "harness.profiling"),
        *(str(suite), case.case_id),
        *("--device", device.name, "--launches", str(launches)),
    )

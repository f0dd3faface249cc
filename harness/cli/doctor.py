"""``harness doctor``: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from harness.cli.console import output, table
from harness.cli.finding import Finding
from harness.cli.format import size
from harness.errors import CompileError

_PACKAGE = "quantization-harness"


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Measure what each device reaches instead (bandwidths, rates), and keep it.")
    ] = False,
) -> None:
    """Check devices, libraries and caches, and say how to mend what is missing.

    **Examples**

    - `harness doctor`

    - `harness doctor --json`

    - `harness doctor --peaks`
    """
    if peaks:
        from harness.cli.peaks import show_peaks

        show_peaks(as_json)
        return
    findings = [*_devices(), *_libraries(), *_storage()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    made = table("harness doctor", "area", "what", "found", "remedy")
    for finding in findings:
        made.add_row(finding.area, finding.what, escape(finding.found), escape(finding.remedy))
    output.print(made)
    wanting = sum(bool(finding.remedy) for finding in findings)
    output.print(f"{wanting} to mend" if wanting else "all is well")


def _devices() -> list[Finding]:
    from harness.backends import BACKENDS
    from harness.cli.gpu_findings import gpu_findings

    findings = [
        Finding(
            "device",
            device.name,
            f"{device.model}, {size(device.memory_bytes)} for cases, {' '.join(sorted(device.features)) or 'no features'}",
        )
        for row in BACKENDS.values()
        for device in row.devices()
    ]
    for row in BACKENDS.values():
        if absence := row.absence():
            found, _, remedy = absence.rpartition("; ") if "; " in absence else (absence, "", "")
            findings.append(Finding("device", row.name, f"{found}; suites run on the CPU", remedy))
    return [*findings, *gpu_findings(BACKENDS["cuda"].devices()), *_cuda_compiler()]


def _cuda_compiler() -> list[Finding]:
    """NVRTC works without a GPU too: kernels can be compiled on any machine."""
    from harness.backends.cuda.compiler import nvrtc_version
    from harness.backends.cuda.headers import header_folder

    try:
        version = ".".join(map(str, nvrtc_version()))
        return [Finding("compiler", "nvrtc", f"{version}, headers in {header_folder('mma.h')}")]
    except CompileError as error:
        found, _, remedy = str(error).rpartition("; ")
        return [Finding("compiler", "nvrtc", found, remedy if driver_is_here() else "")]


def driver_is_here() -> bool:
    """Without a GPU nothing is missing that there is use for."""
    from harness.backends.cuda.probe import driver

    found = driver()
    return found is not None and found.gpus > 0


def _libraries() -> list[Finding]:
    findings = [Finding("library", "python", platform.python_version())]
    try:
        requirements = importlib.metadata.requires(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return [*findings, Finding("library", _PACKAGE, "not installed: run from a checkout", "pip install .")]
    for requirement in requirements:
        name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        findings.append(_library(name, extra.group(1) if extra else None))
    return findings


def _library(name: str, extra: str | None) -> Finding:
    area = f"extra {extra}" if extra else "library"
    try:
        return Finding(area, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        command = f"pip install '.[{extra}]'" if extra else f"pip install {name}"
        optional = "not installed (optional)" if extra else "not installed"
        return Finding(area, name, optional, "" if extra else command)


def _storage() -> list[Finding]:
    from harness.data.cache import cache_root
    from harness.data.models import ASSETS, MODELS, is_cached

    root = cache_root()
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) if root.is_dir() else 0
    findings = [Finding("cache", str(root), size(used), *_unwritable(root))]
    for name in (*MODELS, *ASSETS):
        cached = is_cached(name)
        findings.append(
            Finding(
                "model", name, "cached" if cached else "not in the cache", "" if cached else f"harness data pull {name}"
            )
        )
    here = Path.cwd()
    findings.append(Finding("disk", str(here), f"{size(shutil.disk_usage(here).free)} free", *_unwritable(here)))
    return findings


def _unwritable(folder: Path) -> tuple[str, ...]:
    while not folder.exists():
        folder = folder.parent
    return () if os.access(folder, os.W_OK) else (f"make {folder} writable",)

"""What a user may ask of a run. Light, so that the command line can show its defaults without loading the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_OUT = Path("results")
DEFAULT_EVIDENCE = DEFAULT_OUT / "reference" / "conformance.parquet"
DEFAULT_CASE_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class RunOptions:
    """What a user may ask of a run besides the suite."""

    device: str = "auto"
    filters: tuple[str, ...] = ()
    limit: int | None = None
    out: Path = DEFAULT_OUT
    resume: str | None = None
    case_timeout_s: float = DEFAULT_CASE_TIMEOUT_S
    offline: bool = False
    energy: bool = False

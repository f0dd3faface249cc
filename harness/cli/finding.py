"""What ``harness doctor`` finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line. ``remedy`` is empty where all is well."""

    area: str
    what: str
    found: str
    remedy: str = ""

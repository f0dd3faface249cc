"""The cases that an earlier comparison or check found something about, to look at them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.store.files import explained
from harness.verdict import Change


def flagged_cases(path: Path) -> list[str]:
    """Case ids of a file that ``harness compare --json`` or ``harness check --json`` wrote: those whose time is not the
    same (slower, faster, unsure), in order. Raises StoreError for another file, and where there is none."""
    with explained(path, "read what was found"):
        text = path.read_text(encoding="utf-8")
    try:
        made: dict[str, Any] = json.loads(text)
        cases = made.get("comparison", made)["cases"]
        found = [each["case_id"] for each in cases if each["speed"] and each["speed"]["verdict"] != Change.SAME]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(
            f"{path}: must be what harness compare --json or harness check --json wrote (got something else)"
        ) from None
    if not found:
        raise StoreError(f"{path}: must flag at least one case (got none): all times are the same")
    return found

"""Changes that people accepted: ``history.json`` in a folder of results, made to be committed and reviewed."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import StoreError
from harness.store.files import explained

NAME = "history.json"


@dataclass(frozen=True)
class Acceptance:
    """From the run ``run_id`` on, cases whose names match ``case`` (a glob) have a new level, and ``why``."""

    run_id: str
    case: str
    why: str


def read_acceptances(paths: Sequence[Path]) -> tuple[Acceptance, ...]:
    """All that lie in the folders among ``paths``. Raises StoreError for a file that is none of acceptances."""
    found: list[Acceptance] = []
    for path in paths:
        file = path / NAME
        if not path.is_dir() or not file.is_file():
            continue
        with explained(file, "read accepted changes"):
            text = file.read_text(encoding="utf-8")
        try:
            found += [Acceptance(**entry) for entry in json.loads(text)]
        except (ValueError, TypeError):
            raise StoreError(
                f"{file}: must be a list of {{run_id, case, why}} (got something else); mend it, or move it away"
            ) from None
    return tuple(found)


def accept(folder: Path, entry: Acceptance) -> Path:
    """Add an entry to the file of ``folder``. Raises StoreError where that cannot be done."""
    if not folder.is_dir():
        raise StoreError(f"{folder}: must be a folder of results (got none); accepted changes are kept in it")
    entries = [*read_acceptances([folder]), entry]
    path = folder / NAME
    scratch = path.with_suffix(".part")
    with explained(path, "write accepted changes"):
        scratch.write_text(json.dumps([asdict(each) for each in entries], indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)
    return path


def accepted_since(case: str, acceptances: Sequence[Acceptance]) -> str | None:
    """The last run from which on a case has an accepted level."""
    return max((each.run_id for each in acceptances if fnmatch.fnmatchcase(case, each.case)), default=None)

"""What people say of runs: ``history.json`` in a folder of results, made to be committed and reviewed."""

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
class Annotation:
    """From the run ``run_id`` on, something is so (``why``) for cases whose names match ``case`` (a glob). ``accepts``: these
    cases have a new level from there on; else the words alone are kept, and shown where times are."""

    run_id: str
    case: str
    why: str
    accepts: bool = True


def read_annotations(paths: Sequence[Path]) -> tuple[Annotation, ...]:
    """All that lie in the folders among ``paths``. Raises StoreError for a file that is none of annotations."""
    found: list[Annotation] = []
    for path in paths:
        file = path / NAME
        if not path.is_dir() or not file.is_file():
            continue
        with explained(file, "read annotations"):
            text = file.read_text(encoding="utf-8")
        try:
            found += [Annotation(**entry) for entry in json.loads(text)]
        except (ValueError, TypeError):
            raise StoreError(
                f"{file}: must be a list of {{run_id, case, why, accepts}} (got something else); mend it, or move it away"
            ) from None
    return tuple(found)


def annotate(folder: Path, entry: Annotation) -> Path:
    """Add an entry to the file of ``folder``. Raises StoreError where that cannot be done."""
    if not folder.is_dir():
        raise StoreError(f"{folder}: must be a folder of results (got none); annotations are kept in it")
    entries = [*read_annotations([folder]), entry]
    path = folder / NAME
    scratch = path.with_suffix(".part")
    with explained(path, "write annotations"):
        scratch.write_text(json.dumps([asdict(each) for each in entries], indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)
    return path


def annotations_of(case: str, annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """Those that concern a case, oldest run first."""
    own = [each for each in annotations if fnmatch.fnmatchcase(case, each.case)]
    return tuple(sorted(own, key=lambda each: each.run_id))


def accepted_since(case: str, annotations: Sequence[Annotation]) -> str | None:
    """The last run from which on a case has an accepted level."""
    return max((each.run_id for each in annotations_of(case, annotations) if each.accepts), default=None)

"""Putting a built site in its place: nothing of the user's is deleted, and an interruption leaves a site that works.

The parts that must fit each other (script, style sheet, data) lie in a folder named after their contents. New pages
name the new folder, old pages the old one, and the old one goes last: at every instant each page finds its own parts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from harness.errors import StoreError

MARKER = "harness-report.json"
_TOOL = "harness report"
_INDEX = "index.html"
_NOTES = frozenset({"README.md", ".gitignore", ".gitkeep"})
"""Files about a folder rather than in it: they may lie beside a site, and are left alone."""


def check_target(out: Path) -> None:
    """Refuse a place where a site must not be written.

    Raises:
        StoreError: ``out`` is a file, or a folder with contents that this tool did not write.
    """
    if out.is_dir():
        if any(path.name not in _NOTES for path in out.iterdir()) and not _is_site(out):
            raise StoreError(
                f"{out}: a site is written to a new folder, an empty one, or over an earlier site "
                f"(got a folder with other files and no {MARKER}); choose another folder or empty this one"
            )
    elif out.exists() or out.is_symlink():
        raise StoreError(f"{out}: a site is a folder (got an existing file); choose another name or remove the file")


def install(out: Path, files: Mapping[str, str]) -> None:
    """Write ``files`` (path within the site → text) to ``out``, replacing an earlier site.

    Raises:
        StoreError: see ``check_target``; or the file system refuses.
    """
    check_target(out)
    target = out.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
            # A folder inside, because the temporary one is readable by its owner alone.
            built = Path(folder) / "site"
            _write(built, {**files, MARKER: _marker(files)})
            if target.is_dir() and any(target.iterdir()):
                _replace(target, built, list(files))
            else:
                built.replace(target)
    except OSError as error:
        raise StoreError(f"{out}: the site could not be written (got {error}); check space and permissions") from error


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _replace(target: Path, built: Path, names: list[str]) -> None:
    """Parts first, then pages, the index last; then remove what only the earlier site had."""
    stale = sorted(set(_files_of(target)) - set(names))
    (built / "union").write_text(_marker([*names, *stale]), encoding="utf-8")
    # Until the end the marker lists both sites, so that a later build can clean up after an interrupted one.
    (built / "union").replace(target / MARKER)
    for name in sorted(names, key=lambda name: (name.endswith(".html"), name == _INDEX, name)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).replace(target / name)
    for name in stale:
        (target / name).unlink(missing_ok=True)
        _remove_if_empty((target / name).parent, target)
    (built / MARKER).replace(target / MARKER)


def _remove_if_empty(folder: Path, target: Path) -> None:
    if folder != target and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _marker(names: Iterable[str]) -> str:
    return json.dumps({"written_by": _TOOL, "files": sorted(names)}, indent=1) + "\n"


def _is_site(folder: Path) -> bool:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(marker, dict) and marker.get("written_by") == _TOOL


def _files_of(target: Path) -> list[str]:
    """What the marker lists, restricted to plain paths inside the site: a marker is a file that anyone can edit."""
    if not _is_site(target):
        return []
    names = json.loads((target / MARKER).read_text(encoding="utf-8")).get("files", [])
    paths = [PurePosixPath(name) for name in names if isinstance(name, str)]
    inside = [path for path in paths if not path.is_absolute() and ".." not in path.parts and path.name]
    return [str(path) for path in inside if (target / path).is_file()]

"""The folder that pulled models and captures lie in, and the rules for writing to it.

Files appear there by rename only, so that two processes may fill the cache at once and a killed one leaves no half
file that anybody reads.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import platformdirs

from harness.errors import DataError

PARTIAL = ".partial-"
LEFTOVER_S = 24 * 3600.0


def cache_root() -> Path:
    """``$HARNESS_CACHE``, or the platform's folder for caches, such as ``~/.cache/quantization-harness``."""
    override = os.environ.get("HARNESS_CACHE")
    return Path(override).expanduser() if override else platformdirs.user_cache_path("quantization-harness")


def is_offline(offline: bool = False) -> bool:
    """Whether the network is ruled out, by the caller or by ``HARNESS_OFFLINE=1``."""
    return offline or os.environ.get("HARNESS_OFFLINE", "0").lower() not in ("", "0", "false", "no")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal; a file that has not changed since is hashed once a process."""
    state = path.stat()
    return _file_sha256(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder below ``parent``, on one filesystem with it so that renames out of it are atomic.

    Raises DataError when the cache cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(parent)
        folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=parent))
    except OSError as error:
        raise unwritable(parent, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(parent: Path) -> None:
    """Remove what killed processes left: nothing that is still written to is a day old."""
    for folder in parent.glob(f"{PARTIAL}*"):
        with suppress(FileNotFoundError):  # another process has just finished with it
            if time.time() - folder.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(folder, ignore_errors=True)


def unwritable(path: Path, error: Exception) -> DataError:
    """The error for a cache that is read-only or full."""
    return DataError(f"{path}: the cache must be writable (got: {error}); free space or set HARNESS_CACHE=FOLDER")

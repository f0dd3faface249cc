"""Where CUDA's own headers lie: in the wheels, conda or a toolkit (cuda.pathfinder), else below CUDA_HOME."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from harness.errors import CompileError

_PARTS = {"mma.h": ("crt/mma.h",)}
"""Header → what it includes that wheels bring apart from it."""
_DEFAULT_HOME = "/usr/local/cuda"


@functools.cache
def header_folder(name: str) -> str:
    """The folder that holds the header ``name`` whole. Raises CompileError where none does."""
    tried = candidates()
    for folder in tried:
        if all((folder / part).is_file() for part in (name, *_PARTS.get(name, ()))):
            return str(folder)
    raise CompileError(
        f"{name}: must be among CUDA's headers (got none whole in {', '.join(map(str, tried)) or 'any known place'}); "
        "pip install '.[cuda13]' (or cuda12), or set CUDA_HOME to a toolkit's folder"
    )


def candidates() -> tuple[Path, ...]:
    """Folders that may hold headers, best first."""
    homes = (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), _DEFAULT_HOME)
    found = (_from_pathfinder(), *(Path(home) / "include" for home in homes if home))
    return tuple(dict.fromkeys(folder for folder in found if folder is not None and folder.is_dir()))


def _from_pathfinder() -> Path | None:
    from cuda import pathfinder

    try:
        folder = pathfinder.find_nvidia_header_directory("cudart")
    except Exception:  # a library that looks around a machine may fail in its own ways: there are other places
        return None
    return Path(folder) if folder else None

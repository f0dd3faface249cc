"""The cache's folder and its switches."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.data.cache import cache_root, file_sha256, is_offline, scratch_folder


def test_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("HARNESS_CACHE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"
    monkeypatch.delenv("HARNESS_CACHE")
    assert cache_root().name == "quantization-harness"


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_offline(monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", value)
    assert is_offline() is offline and is_offline(True)


def test_digests_follow_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a")
    first = file_sha256(path)
    path.write_bytes(b"bb")
    assert first != file_sha256(path) and first.startswith("ca978112")


def test_scratch_folders_vanish_and_leftovers_too(tmp_path: Path) -> None:
    old, new = tmp_path / ".partial-old", tmp_path / ".partial-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    with pytest.raises(KeyError), scratch_folder(tmp_path) as scratch:
        assert scratch.parent == tmp_path and new.is_dir() and not old.exists()
        raise KeyError
    assert list(tmp_path.iterdir()) == [new]

"""The preview: only on loopback, built anew when results change, alive when a build fails."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.report.serve import Preview, rebuild_on_change, signature


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return str(answer.read().decode())


def test_it_serves_the_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("hello")
    (tmp_path / "secret").write_text("no")
    with Preview(site, 0) as preview:
        assert preview.address.startswith("http://127.0.0.1:")
        assert fetched(preview.address) == "hello"
        (site / "index.html").write_text("changed")
        assert fetched(preview.address) == "changed"
        with pytest.raises(urllib.error.HTTPError):
            fetched(preview.address + "../secret")
    with pytest.raises(urllib.error.URLError):
        fetched(preview.address)


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with Preview(tmp_path, 0) as preview:
        port = int(preview.address.rstrip("/").rpartition(":")[2])
        with pytest.raises(StoreError, match=f"--port {port}: must be a free port .*choose another"):
            Preview(tmp_path, port)


def test_a_signature_changes_with_what_is_there(tmp_path: Path) -> None:
    first = signature([tmp_path, tmp_path / "absent"])
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert signature([tmp_path]) == first
    (tmp_path / "a" / "b" / "r.parquet").write_text("1")
    second = signature([tmp_path])
    assert second != first
    os.utime(tmp_path / "a" / "b" / "r.parquet", ns=(1, 1))
    assert signature([tmp_path]) != second


def test_it_builds_anew_after_changes_and_survives_a_failing_build(tmp_path: Path) -> None:
    said: list[str] = []
    built = threading.Semaphore(0)
    stopped = threading.Event()
    failing = True

    def build() -> None:
        built.release()
        if failing:
            raise StoreError("torn")

    watcher = threading.Thread(target=rebuild_on_change, args=([tmp_path], build, said.append, stopped, 0.01))
    watcher.start()
    try:
        assert not built.acquire(timeout=0.1), "nothing has changed"
        (tmp_path / "r.parquet").write_text("1")
        assert built.acquire(timeout=5)
        failing = False
        (tmp_path / "r.parquet").write_text("12")
        assert built.acquire(timeout=5)
    finally:
        stopped.set()
        watcher.join(5)
    assert said == ["not rebuilt: torn"]
    assert not watcher.is_alive()

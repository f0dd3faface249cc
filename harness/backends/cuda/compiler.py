"""NVRTC: a specialisation → a cubin, kept on disk.

A cubin's name is a digest of the compiler's version, the flags, and the source with what it includes, so nothing is ever
stale: a change makes another name. Files appear by rename, so that processes may fill the cache at once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from harness.backends.cpu.device import cores
from harness.backends.cuda.headers import header_folder
from harness.backends.cuda.source import closure, system_includes
from harness.data.cache import cache_root, scratch_folder, unwritable
from harness.errors import CompileError
from harness.kernels.specialisation import SOURCE_ROOT, Specialisation

_STANDARD = "c++17"
_IMPORTING = threading.Lock()
"""cuda.core's first import fails where several threads begin it at once."""


def cubin(specialisation: Specialisation, architecture: str) -> Path:
    """The compiled code for ``architecture`` (``sm_90a``), from the cache or made now.

    Raises CompileError with the compiler's log, DataError where the cache cannot be written.
    """
    path = cached_path(specialisation, architecture)
    if not path.is_file():
        code = compile_cubin(specialisation, architecture)
        with scratch_folder(path.parent) as scratch:
            part = scratch / path.name
            try:
                part.write_bytes(code)
                part.replace(path)
            except OSError as error:
                raise unwritable(path.parent, error) from error
    return path


def cached_path(specialisation: Specialisation, architecture: str) -> Path:
    """Where the cubin lies, or will."""
    made = hashlib.blake2b(digest_size=16)
    for word in ("nvrtc", ".".join(map(str, nvrtc_version())), architecture, *_flags(), specialisation.label):
        made.update(f"{word}\0".encode())
    for part in _sources(specialisation):
        made.update(part.read_bytes())
        made.update(b"\0")
    return cache_root() / "cubin" / f"{made.hexdigest()}.cubin"


def compile_cubin(specialisation: Specialisation, architecture: str) -> bytes:
    """Compile, without the cache. Works on a machine without a GPU. Raises CompileError with the compiler's log."""
    with _IMPORTING:
        from cuda.core import Program, ProgramOptions

    _sources(specialisation)  # readable, or said so
    folders = dict.fromkeys(header_folder(name) for name in system_includes(specialisation.path))
    options = ProgramOptions(
        name=str(specialisation.path),  # whole: of a relative name NVRTC would look beside the current folder first
        arch=architecture,
        std=_STANDARD,
        fma=False,  # codes are compared bit for bit: a product and a sum are rounded each
        define_macro=list(specialisation.macros) or None,
        include_path=[str(specialisation.path.parent), str(SOURCE_ROOT), *folders],
    )
    log = io.StringIO()
    try:
        program = Program(specialisation.path.read_text(), "c++", options)
        return bytes(program.compile("cubin", logs=log).code)
    except CompileError:
        raise
    except Exception as error:  # NVRTCError, and what an unknown architecture raises
        raise CompileError(f"{specialisation.label} for {architecture}: {_log_of(log, error)}") from None


def precompile(
    wanted: Iterable[Specialisation], architecture: str, say: Callable[[str], None] = lambda text: None
) -> int:
    """Compile what the cache lacks, in parallel (NVRTC lets go of the interpreter); returns how many were missing.

    A failure is left for the case that needs the code: there it becomes a record with the log.
    """
    missing = [each for each in dict.fromkeys(wanted) if not _is_cached(each, architecture)]
    if not missing:
        return 0
    say(f"compiling {len(missing)} kernel{'s' if len(missing) > 1 else ''} for {architecture}")
    with ThreadPoolExecutor(max_workers=max(2, cores())) as pool:
        for done in as_completed([pool.submit(cubin, each, architecture) for each in missing]):
            with contextlib.suppress(CompileError):
                done.result()
    return len(missing)


def _is_cached(specialisation: Specialisation, architecture: str) -> bool:
    try:
        return cached_path(specialisation, architecture).is_file()
    except CompileError:  # no such source, no compiler: the case says so
        return False


def _sources(specialisation: Specialisation) -> tuple[Path, ...]:
    try:
        return closure(specialisation.path)
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError(f"{specialisation.label}: the source must be readable (got: {error}); reinstall") from None


def _flags() -> tuple[str, ...]:
    return (_STANDARD, "fma=false")


@functools.cache
def nvrtc_version() -> tuple[int, int]:
    """Version of the NVRTC library that is loaded. Raises CompileError where there is none."""
    try:
        from cuda.bindings import nvrtc

        status, major, minor = nvrtc.nvrtcVersion()
    except Exception as error:  # ImportError, and what the loader of the library raises
        told = (str(error) or type(error).__name__).splitlines()[0]
        raise CompileError(f"NVRTC: must be installed (got: {told}); pip install '.[cuda13]' (or cuda12)") from None
    if int(status) != 0:
        raise CompileError(f"NVRTC: must answer (got {status}); pip install '.[cuda13]' (or cuda12)")
    return int(major), int(minor)


def _log_of(log: io.StringIO, error: Exception) -> str:
    text = log.getvalue().strip() or str(error).strip()
    return text.replace("\0", "")


def load_module(path: Path) -> Any:
    """The cubin as a module of the current context."""
    from cuda.core import ObjectCode

    return ObjectCode.from_cubin(path.read_bytes(), name=path.stem)

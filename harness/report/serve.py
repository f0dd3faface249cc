"""A preview of the site on this machine alone, built anew whenever the results change."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import HarnessError, StoreError

LOOPBACK = "127.0.0.1"
_POLL_S = 1.0

Signature = frozenset[tuple[str, int, int]]


class _Handler(SimpleHTTPRequestHandler):
    """Files of the folder; nothing is kept by the browser, since it may have changed since."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not news."""


class Preview:
    """Serves the folder ``site`` on loopback from entering to leaving the context.

    Raises:
        StoreError: the port cannot be had.
    """

    def __init__(self, site: Path, port: int) -> None:
        handler = functools.partial(_Handler, directory=str(site))
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError as error:
            raise StoreError(
                f"--port {port}: must be a free port (got {error}); choose another, or 0 for any"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/"

    def __enter__(self) -> Preview:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def signature(paths: Iterable[Path]) -> Signature:
    """What tells that results changed: names, times and sizes of the files at and below ``paths``."""
    found = set()
    for path in paths:
        for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
            try:
                state = each.stat()
            except FileNotFoundError:
                continue  # it went between listing and looking: the next look sees that
            if each.is_file():
                found.add((str(each), state.st_mtime_ns, state.st_size))
    return frozenset(found)


def rebuild_on_change(
    paths: Iterable[Path],
    build: Callable[[], None],
    say: Callable[[str], None],
    stopped: threading.Event,
    poll_s: float = _POLL_S,
) -> None:
    """Call ``build`` whenever what lies at ``paths`` has changed and then stayed as it is for one look, until ``stopped``.
    A build that fails is said; the site stays as it was."""
    paths = list(paths)
    built = seen = signature(paths)
    while not stopped.wait(poll_s):
        now = signature(paths)
        if now == seen and now != built:
            built = now
            try:
                build()
            except HarnessError as error:
                say(f"not rebuilt: {error}")
        seen = now

"""Text files that commands write where the user says."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StoreError


def write_text(path: Path, text: str) -> None:
    """Write ``text``, replacing what is there. Raises StoreError where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: must be writable (got: {error.strerror}); choose another place") from None

"""Data as JavaScript files: a page opened from disk may run a script beside it, but may not fetch a file."""

from __future__ import annotations

import json
from typing import Any

# `<` and `>` would matter if the text were ever put inline; U+2028 and U+2029 end a line in old JavaScript.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def assignment(name: str, value: Any) -> str:
    """``globalThis.<name> = <value>;`` with ``value`` as JSON that is safe inside a script element too.

    Raises:
        ValueError: a number that JSON cannot hold (NaN or ±inf).
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # JSON has these characters in strings only, where an escape means the same.
    return f"globalThis.{name} = {text.translate(_ESCAPES)};\n"

"""The exception tree. Every message reads: what, rule, ``(got …)``, remedy.

``HarnessError`` and its children are shown to the user as one line without a traceback; anything else is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Something the user can mend. The message names the remedy."""


class SuiteError(HarnessError):
    """A suite that is refused. The message starts with ``file:line:column:``."""


class PolicyError(HarnessError):
    """A policy of ``harness check`` that is refused. The message starts with ``file:line:column:``."""


class SchemeError(HarnessError):
    """A quantization scheme that contradicts itself or does not fit the tensor."""


class NonFiniteError(HarnessError):
    """NaN or Inf where a finite number is needed."""


class DataError(HarnessError):
    """A tensor or a model that cannot be read, pulled or captured."""


class DeviceError(HarnessError):
    """A device that is absent, or that this installation cannot drive."""


class CompileError(HarnessError):
    """A kernel that does not compile, or a compiler that is not there. Holds the compiler's log."""


class StoreError(HarnessError):
    """Results that cannot be written or read."""


def first_line(error: BaseException) -> str:
    """The first line of an error's words, of which some libraries have pages."""
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``" (did you mean X?)"`` with the nearest known name, or the sorted list of known names when none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return "known: " + ", ".join(names) if names else "none are known"

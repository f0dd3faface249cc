"""Index arithmetic of CUDA sources as Python: what is tested on a machine without a device is the source's own text."""

from __future__ import annotations

import re
from typing import Any

from harness.kernels.specialisation import SOURCE_ROOT


def macro(source: str, name: str) -> int:
    """The number that a source gives a macro."""
    found = re.search(rf"^#define {name} (\d+)\b", (SOURCE_ROOT / source).read_text(), re.MULTILINE)
    assert found is not None, f"{source} defines {name}"
    return int(found[1])


def run(source: str, function: str, **names: Any) -> dict[str, Any]:
    """Run the body of a function of unsigned integers, straight lines only; ``names`` are its arguments, and the macros and
    fields that it mentions. Gives all that it knows at its end, what it returns as ``result``."""
    text = (SOURCE_ROOT / source).read_text()
    found = re.search(rf"\b{function}\([^)]*\)(?: const)?\s*\{{(.*?)\}}", text, re.DOTALL)
    assert found is not None, f"{source} has {function}"
    known = dict(names)
    body = re.sub(r"//[^\n]*", "", found[1])
    for statement in filter(None, (" ".join(each.split()) for each in body.split(";"))):
        line = re.sub(r"^const u32 ", "", statement)
        line = re.sub(r"^return ", "result = ", line)
        line = re.sub(r"static_cast<u\d+>", "", line).replace("/", "//")
        line = re.sub(r"\b(\d+|0x[0-9A-Fa-f]+)u?(?:ll)?\b", r"\1", line)
        for part in re.split(r", (?=\w+ = )", line):  # of declarations of several
            exec(part, {"min": min}, known)
    return known

"""What a cubin needs of a multiprocessor, read with cuobjdump: no device is needed."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CompileError

_LINE = re.compile(r"Function (\w+):\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")


@dataclass(frozen=True)
class Resources:
    """One entry point: registers a thread, bytes of stack and of local memory a thread (what spills need, among other
    things), bytes of static shared memory a block."""

    entry: str
    registers: int
    stack_bytes: int
    shared_bytes: int
    local_bytes: int

    def problem(self, max_registers: int, max_stack_bytes: int = 0) -> str | None:
        """What is more than declared, or None."""
        if self.stack_bytes > max_stack_bytes or self.local_bytes:
            return f"{self.entry} spills ({self.stack_bytes} B of stack, {self.local_bytes} B of local memory a thread)"
        if self.registers > max_registers:
            return f"{self.entry} takes {self.registers} registers a thread, its spec declares {max_registers}"
        return None


def resources(cubin: Path) -> tuple[Resources, ...]:
    """Every entry point of a cubin. Raises CompileError where cuobjdump is missing or says nothing of use."""
    done = subprocess.run([_tool(), "--dump-resource-usage", str(cubin)], capture_output=True, text=True, timeout=60)
    found = tuple(
        Resources(entry, *map(int, numbers)) for entry, *numbers in _LINE.findall(done.stdout.replace("\n", " "))
    )
    if done.returncode or not found:
        raise CompileError(f"cuobjdump: must list the entries of {cubin} (got: {(done.stderr or done.stdout).strip()})")
    return found


@functools.cache
def _tool() -> str:
    from cuda import pathfinder

    found = pathfinder.find_nvidia_binary_utility("cuobjdump") or shutil.which("cuobjdump")
    if found is None:
        raise CompileError("cuobjdump: must be installed (got none); pip install nvidia-cuda-cuobjdump")
    return str(found)

"""What a kernel computes with, as a digest: results, evidence and choices are of one source."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from harness.backends.cuda.source import digest
from harness.kernels.spec import KernelSpec
from harness.kernels.specialisation import SOURCE_ROOT


@functools.cache
def source_digest(spec: KernelSpec) -> str | None:
    """Digest of what the kernel computes with: its CUDA source with includes, comments stripped; else the Python file
    that holds its class."""
    if spec.cuda is not None:
        return digest(SOURCE_ROOT / spec.cuda.file)
    found = importlib.util.find_spec(spec.entry.partition(":")[0])
    if found is None or found.origin is None:
        return None
    return hashlib.blake2b(Path(found.origin).read_bytes(), digest_size=10).hexdigest()

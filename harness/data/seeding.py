"""Random generators that every machine and every process seeds alike."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def seeded_generator(*parts: object) -> np.random.Generator:
    """A PCG64 generator seeded by the BLAKE2b digest of the parts: strings, integers and lists of them.

    JSON makes the parts' boundaries unambiguous; Python's own ``hash`` changes from process to process.
    """
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=32).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little"))))


def random_order(generator: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """A random permutation of ``range(count)``, made of raw bits: a generator's part whose stream never changes."""
    return np.argsort(generator.bit_generator.random_raw(count), kind="stable")

"""Tests that need a CUDA device: skipped where there is none, with the reason that a user would be given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.backends.cuda.device import absence, devices

HERE = Path(__file__).resolve().parent
ABSENCE = absence()

if ABSENCE is None:  # kernels that misbehave, known to this process and to workers
    sys.path.insert(0, str(HERE))
    os.environ["HARNESS_PLUGINS"] = ",".join(filter(None, [os.environ.get("HARNESS_PLUGINS"), "cuda_faults"]))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ABSENCE is not None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=ABSENCE))


@pytest.fixture(scope="session")
def device():
    """The first CUDA device."""
    return devices()[0]

"""What all tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = ROOT / "tests" / "helpers"

# Plug-in kernels must be known before anything asks for kernel names, in this process and in workers.
sys.path.insert(0, str(HELPERS))
os.environ["HARNESS_PLUGINS"] = "fault_kernels"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def fault_suite() -> Any:
    """Makes a suite (a mapping) that runs the named kernels of the plug-in, in that order."""

    def make(*kernels: str, shapes: int = 1, **more: Any) -> dict[str, Any]:
        return {
            "name": "faults",
            "op": "quantize",
            "shapes": [{"name": f"s{index}", "rows": 4, "cols": 8} for index in range(shapes)],
            "matrix": {"kernel": list(kernels), "format": "int8"},
            "measure": {"l2": "hot", "min_samples": 2, "max_time_s": 0.2},
            **more,
        }

    return make

"""What does each quantization scheme cost in accuracy and buy in speed, on this device, for these tensors?

import harness
frame = harness.run("suites/gemm.yaml")          # one row a case, a pandas.DataFrame
frame = harness.run({"name": "mine", "op": …})    # the same from a mapping
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.options import DEFAULT_CASE_TIMEOUT_S, DEFAULT_OUT, RunOptions

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"


def run(
    suite: str | Path | Mapping[str, Any],
    *,
    device: str = "auto",
    filters: Sequence[str] = (),
    limit: int | None = None,
    out: str | Path = DEFAULT_OUT,
    resume: str | None = None,
    case_timeout_s: float = DEFAULT_CASE_TIMEOUT_S,
    offline: bool = False,
) -> pd.DataFrame:
    """Run a suite (a YAML file or a mapping of the same content) and return its records, one row a case.

    Columns are those of ``harness.record.COLUMNS``, SI units. Results are also written below ``out``. ``filters`` are
    ``axis=pattern``; ``resume`` is a run id or ``last``. Raises SuiteError (a HarnessError) for a suite that is refused.
    Ctrl-C raises KeyboardInterrupt after the finished rows are published.
    """
    from harness.runner import run_suite  # the command line starts faster without

    options = RunOptions(device, tuple(filters), limit, Path(out), resume, case_timeout_s, offline)
    result = run_suite(suite, options)
    if not result.complete:
        raise KeyboardInterrupt(f"run {result.run_id} was interrupted; resume it with resume={result.run_id!r}")
    return result.frame()


__all__ = ["__version__", "run"]

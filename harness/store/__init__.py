"""Results on disk: a journal while running, parquet when done, read back as one table.

``<out>/<suite>/<run_id>.journal.jsonl`` has a header line and then a line a case, handed to the system as each case ends,
so that it survives the death of this process; a torn last line is ignored. ``<run_id>.parquet`` and
``<run_id>.samples.parquet`` appear by rename when the run ends, whole or not; the journal goes when all cases are in.
"""

from harness.store.files import RunHeader, new_run_id
from harness.store.find import StoredRun, find_run
from harness.store.read import read_results, rows_to_frame, to_frame
from harness.store.samples import read_samples
from harness.store.writer import RunWriter

__all__ = [
    "RunHeader",
    "RunWriter",
    "StoredRun",
    "find_run",
    "new_run_id",
    "read_results",
    "read_samples",
    "rows_to_frame",
    "to_frame",
]

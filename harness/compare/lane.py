"""One side of a comparison of two checkouts: a process that imports the checkout's own package, and is asked for rounds.

Run as ``python -P lane.py FD`` with the checkout first in PYTHONPATH; this file is of the package that compares, so that a
checkout may be older than it. What passes through the connection FD is made of plain types only, since both packages'
classes bear the same names. A request is a tuple of a name and arguments; the answer ``("ok", value)`` or ``("error", words)``.
"""

import sys
from multiprocessing.connection import Connection
from typing import Any


class Lane:
    """The requests, by name."""

    def __init__(self) -> None:
        self.cases: dict[str, Any] = {}
        self.stopwatch: Any = None

    def open(self, suite: str, device: str, filters: list[str], offline: bool) -> dict[str, Any]:
        """Where the package lies, and the cases that can run: case_id → what a comparison says of it."""
        import harness
        from harness.backends import find_device
        from harness.execute import tensors_on
        from harness.kernels import kernel as kernel_row
        from harness.plan import plan
        from harness.select import select
        from harness.suite import load_suite

        loaded, self.device = load_suite(suite), find_device(device)
        self.tensors = tensors_on(self.device, offline=offline)
        planned = select(plan(loaded, self.device), loaded, filters, None)
        self.cases = {case.case_id: case for case in planned if case.skip is None}
        rows = {case_id: (case, kernel_row(case.op, case.kernel)) for case_id, case in self.cases.items()}
        return {
            "package": str(harness.__file__),
            "cases": {
                case_id: {
                    "case": case.name,
                    "suite": case.suite,
                    "op": case.op,
                    "kernel": case.kernel,
                    "role": row.role,
                    "max_samples": row.max_samples,
                    "max_time_s": case.measure.max_time_s,
                }
                for case_id, (case, row) in rows.items()
            },
        }

    def prepare(self, case_id: str) -> dict[str, Any]:
        """Make the kernel, judge it, and make its stopwatch where it conforms; its status, reason and figures of error."""
        from harness.execute import prepare
        from harness.selfcheck.pairs import stopwatch_of

        self.stopwatch = None
        case = self.cases[case_id]
        made = prepare(case, self.device, self.tensors)
        made.kernel.launch()
        output = made.kernel.output()
        verdict = made.family.judge(made.problem, output)
        if not verdict.conforms:
            return {"status": "inaccurate", "reason": verdict.reason, "figures": {}}
        figures = {**made.family.accuracy(made.problem, output), "code_mismatches": verdict.mismatches}
        self.stopwatch = stopwatch_of(case.backend)(made.kernel, case.measure)
        return {"status": "ok", "reason": None, "figures": {name: _plain(value) for name, value in figures.items()}}

    def clock(self) -> float:
        return float(self.stopwatch.clock())

    def warm_up(self, deadline: float) -> None:
        self.stopwatch.warm_up(deadline)

    def rest(self, most_s: float) -> None:
        self.stopwatch.rest(most_s)

    def round(self, most: int) -> list[float]:
        return [float(each) for each in self.stopwatch.round(most).samples]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def serve(connection: Connection) -> None:
    """Answer until None or the end of the connection."""
    lane = Lane()
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        if request is None:
            return
        name, *arguments = request
        try:
            answer: tuple[str, Any] = ("ok", getattr(lane, name)(*arguments))
        except Exception as error:
            answer = ("error", f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
        connection.send(answer)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))

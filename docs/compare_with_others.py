"""The same made histories, judged by this package, by asv's step detection and by NVBench's comparison of two runs.

    pip install asv tabulate colorama && python docs/compare_with_others.py ../nvbench/python/scripts

Prints the tables of docs/compare.md. Series are those of tests/helpers/made_histories.py: 60 nights of 20 rounds, whose
logarithms have noise of Student's t of 4 degrees of freedom, scale 0.3 %, from night to night and from round to round. A
change within one night of the true one is the true one. NVBench's scripts are run as they are, on files such as its
benchmarks write; without their folder these columns are left out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from made_histories import KINDS, nights

from harness.history.changes import find_changes
from harness.history.series import WATCHED, Point, Series
from harness.verdict import CasePair, Change, compare_cases

SERIES, NIGHTS, ROUNDS, STEP_AT = 200, 60, 20, 40
Times = NDArray[np.float64]
"""[series, nights], or with rounds [series, nights, rounds]; seconds."""
SCRIPTS = {"NVBench": "nvbench_compare.py", "NVBench, robust": "nvbench_compare_robust.py"}
_CALLED = re.compile(r"SLOW|FAST|SAME|AMBG|\?\?\?\?")


def ours(times: Times) -> list[list[int]]:
    nothing = (None,) * len(WATCHED)
    series = [
        Series(
            f"c{i}", *("",) * 5, tuple(Point(f"{n:04d}", t, None, None, None, nothing) for n, t in enumerate(own)), ()
        )
        for i, own in enumerate(times.tolist())
    ]
    return [[change.index for change in changes] for changes in find_changes(series, {})]


def asv(times: Times) -> list[list[int]]:
    from asv.step_detect import detect_steps

    return [[step[0] for step in detect_steps(own, None)[1:]] for own in times.tolist()]


def our_pairs(rounds: Times) -> list[str]:
    """Night after night, all series of a night as one set."""
    found = []
    for night in range(NIGHTS - 1):
        pairs = [CasePair(str(i), own[night], own[night + 1]) for i, own in enumerate(rounds)]
        found += ["SAME" if v.verdict in (Change.SAME, Change.UNSURE) else "called" for v in compare_cases(pairs, {})]
    return found


def nvbench_pairs(rounds: Times, script: Path) -> list[str]:
    """The same order of pairs as ``our_pairs``."""
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder) / name for name in ("a.json", "b.json")]
        for path, start in zip(names, (0, 1), strict=True):
            path.write_text(json.dumps(_nvbench_file(rounds[:, start : start + NIGHTS - 1])))
        done = subprocess.run([sys.executable, script, *names, "--no-color"], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if re.match(r"\|\s*\d+\s*\|", line)]
    called = [_CALLED.search(line.rsplit("|", 2)[1]) for line in lines]
    assert len(lines) == SERIES * (NIGHTS - 1), done.stderr
    return ["called" if each is not None and each[0] in ("SLOW", "FAST") else "SAME" for each in called]


def _nvbench_file(rounds: Times) -> dict[str, Any]:
    """What NVBench's JSON says of isolated times: a state a series and night."""
    states = [_state(index, each) for index, each in enumerate(rounds.transpose(1, 0, 2).reshape(-1, ROUNDS))]
    axis = {"name": "Pair", "type": "int64", "flags": "", "values": []}
    version = {"json": {"major": 1, "minor": 0, "patch": 0, "string": "1.0.0"}}
    return {
        "meta": {"version": version},
        "devices": [{"id": 0, "name": "made"}],
        "benchmarks": [{"name": "made", "index": 0, "devices": [0], "axes": [axis], "states": states}],
    }


def _state(index: int, rounds: Times) -> dict[str, Any]:
    low, middle, high = np.quantile(rounds, (0.25, 0.5, 0.75))
    mean, deviation = float(np.mean(rounds)), float(np.std(rounds, ddof=1))
    figures = {
        "time/gpu/mean": mean,
        "time/gpu/stdev/absolute": deviation,
        "time/gpu/stdev/relative": deviation / mean,
        "time/gpu/min": rounds.min(),
        "time/gpu/max": rounds.max(),
        "time/gpu/median": middle,
        "time/gpu/iqr/absolute": high - low,
        "time/gpu/iqr/relative": (high - low) / middle,
        "sm_clock_rate/mean": 1.98e9,  # without a clock, the robust comparison calls nothing
    }
    summaries = [
        {
            "tag": f"nv/cold/{name}",
            "name": name,
            "data": [{"name": "value", "type": "float64", "value": str(value)}],
        }
        for name, value in figures.items()
    ]
    value = {"name": "Pair", "type": "int64", "value": str(index)}
    return {"name": f"Pair={index}", "device": 0, "axis_values": [value], "summaries": summaries, "is_skipped": False}


def pair_cells(called: Sequence[str], steps: bool) -> tuple[str, str]:
    """How many of the pairs across the step were called, and what share of the others."""
    hits = np.array([each == "called" for each in called]).reshape(NIGHTS - 1, SERIES)
    across = hits[STEP_AT - 1] if steps else hits[:0]
    others = np.delete(hits, STEP_AT - 1, axis=0) if steps else hits
    return (str(int(across.sum())) if steps else "–"), f"{others.mean():.2%}"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    scripts = {name: folder / file for name, file in SCRIPTS.items()} if folder else {}
    changes = [
        "| series | true change found: harness | asv | series with a false change: harness | asv |",
        "|---|--:|--:|--:|--:|",
    ]
    names = ["harness compare", *scripts]
    titles = "".join(f" step called: {name} | other pairs called |" for name in names)
    pairs = [f"| series |{titles}", "|---|" + "--:|" * 2 * len(names)]
    for kind, make in KINDS.items():
        rng = np.random.default_rng(0)
        times = np.stack([make(rng, nights(rng, NIGHTS), STEP_AT) for _ in range(SERIES)])
        steps = kind.startswith("+")
        true = {STEP_AT - 1, STEP_AT, STEP_AT + 1} if steps else set()
        found = [ours(times), asv(times)]
        hits = [sum(bool(true & set(each)) for each in own) if steps else "–" for own in found]
        false = [sum(bool(set(each) - true) for each in own) for own in found]
        changes.append(f"| {kind} | {hits[0]} | {hits[1]} | {false[0]} | {false[1]} |")
        rounds = times[:, :, None] * np.exp(0.003 * rng.standard_t(4, (*times.shape, ROUNDS)))
        called = [our_pairs(rounds), *(nvbench_pairs(rounds, script) for script in scripts.values())]
        pairs.append(f"| {kind} | " + " | ".join(cell for own in called for cell in pair_cells(own, steps)) + " |")
        print(kind, file=sys.stderr)
    print("\n".join([*changes, "", *pairs]))


if __name__ == "__main__":
    main()

"""Prints the table of docs/oracles.md: every format against every oracle that is installed.

python tests/numerics/oracle_table.py               # seconds; libraries that are absent: their goldens
python tests/numerics/oracle_table.py --every-f32   # minutes; all finite f32 instead of a sweep, ml_dtypes only
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import oracle_ml_dtypes
import oracle_onnxruntime
from golden_files import golden_version, load_golden, load_maker
from oracle_outcome import Outcome, differing
from oracle_peers import PEERS, produce_many
from scalar_oracle import SCALAR_FORMATS, telling_points

from harness.numerics.formats import FORMATS
from harness.numerics.scales import round_to_bf16

HEADER = (
    "| format | oracle | what | values | mismatches | explained |",
    "|---|---|---|--:|--:|--:|",
)


def scalar_outcomes() -> Iterator[Outcome]:
    """Plain Python in exact arithmetic, over all values, all ties and their f32 neighbours."""
    for name, oracle in SCALAR_FORMATS.items():
        points = telling_points(oracle)
        theirs = np.array([oracle.code(point) for point in points])
        wrong = differing(FORMATS[name].encode(np.array(points, dtype=np.float32)), theirs)
        yield Outcome(name, "exact arithmetic", "f32 → code", len(points), wrong)


def library_outcomes() -> Iterator[Outcome]:
    """The libraries that are always installed."""
    for row in (*oracle_ml_dtypes.ROWS, *oracle_onnxruntime.ROWS):
        try:
            yield row.run()
        except oracle_onnxruntime.UnsupportedError:
            continue


def peer_outcomes() -> Iterator[Outcome]:
    """The other libraries where they are installed, else their goldens."""
    maker = load_maker()
    for peer, compare in PEERS.items():
        installed = all(importlib.util.find_spec(name) for name in maker.NEEDED[peer])
        arrays = produce_many(maker, peer) if installed else load_golden(peer)
        origin = "" if installed else f" (golden, {golden_version(peer)})"
        for found in compare(arrays):
            yield Outcome(
                found.format, found.oracle + origin, found.what, found.compared, found.mismatches, found.explained
            )


def lines(outcomes: Iterable[Outcome]) -> list[str]:
    """One line of the table for each format, oracle and kind; equal ones added up."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for found in outcomes:
        key = (found.format, found.oracle, found.what)
        counts = (found.compared, found.mismatches, found.explained)
        sums[key] = [a + b for a, b in zip(sums.get(key, [0, 0, 0]), counts, strict=True)]
    order = [*FORMATS, "bf16 (scales)", "f16 (scales)"]
    ordered = sorted(sums.items(), key=lambda item: order.index(item[0][0]))
    return ["| " + " | ".join([*key, *(f"{count:,}" for count in counts)]) + " |" for key, counts in ordered]


def every_f32() -> Iterator[Outcome]:
    """All finite f32, in parts of 2^25, against ml_dtypes."""
    parts = range(0, 1 << 32, 1 << 25)
    wrong = dict.fromkeys([*oracle_ml_dtypes.FLOATS, "bf16 (scales)"], 0)
    compared = 0
    for start in parts:
        x = np.arange(start, start + (1 << 25), dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = x[np.isfinite(x)]
        compared += x.size
        for name in oracle_ml_dtypes.FLOATS:
            wrong[name] += differing(FORMATS[name].encode(x), oracle_ml_dtypes.encoded(name, x))
        wrong["bf16 (scales)"] += differing(round_to_bf16(x), oracle_ml_dtypes.bf16(x))
    for name, count in wrong.items():
        yield Outcome(name, "ml_dtypes", "every finite f32", compared, count)


def main() -> None:
    if "--every-f32" in sys.argv[1:]:
        table = lines(every_f32())
    else:
        table = lines([*scalar_outcomes(), *library_outcomes(), *peer_outcomes()])
    print("\n".join([*HEADER, *table]))


if __name__ == "__main__":
    main()

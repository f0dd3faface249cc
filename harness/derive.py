"""Figures that need more than one record: speedup over the baseline, and the best peer."""

from __future__ import annotations

from collections.abc import Iterable

from harness.columns import Row

_SAME_PROBLEM = (
    *("op", "shape_name", "data", "m", "n", "k", "rows", "cols", "dtype"),
    # of ops of one tensor, which the scheme is part of; a product's may differ: a peer may take other weights
    *("format", "granularity", "symmetric", "scale_format", "narrow_range", "range", "calibration"),
)


def derive(rows: Iterable[Row]) -> list[Row]:
    """The rows with ``speedup``, ``best_peer`` and ``speedup_over_best_peer`` filled in where they apply."""
    rows = list(rows)
    times = {row["case_id"]: row["time_s"] for row in rows if row["status"] == "ok" and row["time_s"]}
    peers: dict[tuple[object, ...], tuple[float, str]] = {}
    for row in rows:
        if row["kernel_role"] == "peer" and row["case_id"] in times:
            key = _problem(row)
            peers[key] = min(
                peers.get(key, (times[row["case_id"]], row["kernel"])), (times[row["case_id"]], row["kernel"])
            )
    out = []
    for row in rows:
        own = times.get(row["case_id"])
        values = dict(row)
        if own is not None:
            baseline = times.get(row["baseline_case_id"])
            values["speedup"] = baseline / own if baseline else None
            peer = peers.get(_problem(row))
            if peer is not None:
                values["best_peer"], values["speedup_over_best_peer"] = peer[1], peer[0] / own
        out.append(values)
    return out


def _problem(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in _SAME_PROBLEM)

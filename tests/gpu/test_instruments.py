"""This harness against NVBench and Triton's do_bench, like with like. Skipped where they are not installed."""

from __future__ import annotations

import pytest

pytest.importorskip("cuda.bench")
pytest.importorskip("triton")

ABOVE_S, WITHIN_ABOVE, WITHIN_BELOW = 20e-6, 0.02, 0.05


def test_cold_medians_are_nvbench_s(device, capsys):
    from instruments import compare, row

    lines = list(compare(device))
    with capsys.disabled():
        print("\n" + "\n".join(map(row, lines)))
    assert min(line.own_s for line in lines) < 8e-6 < 1e-3 < max(line.own_s for line in lines)
    off = {
        line.name: line.own_s / line.nvbench_s - 1
        for line in lines
        if abs(line.own_s / line.nvbench_s - 1) > (WITHIN_ABOVE if line.own_s > ABOVE_S else WITHIN_BELOW)
    }
    assert not off, off

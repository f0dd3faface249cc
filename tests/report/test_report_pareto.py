"""The Pareto front against the definition, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from harness.report.pareto import pareto_front

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("x", "y", "front"),
    [
        ([], [], []),
        ([1], [1], [True]),
        ([1, 2, 3], [3, 2, 1], [True, True, True]),
        ([1, 2, 3], [1, 2, 3], [False, False, True]),
        ([2, 2], [1, 3], [False, True]),  # equal x: only the better y
        ([1, 3], [2, 2], [False, True]),  # equal y: only the better x
        ([2, 2, 1], [2, 2, 1], [True, True, False]),  # equal points share their fate
        ([1, INF], [INF, 1], [True, True]),
        ([INF, INF], [1, INF], [False, True]),
        ([-INF, 1], [-INF, 1], [False, True]),
        ([-INF], [-INF], [True]),
        ([NAN, 1, 2], [9, NAN, 2], [False, False, True]),
        ([NAN], [NAN], [False]),
    ],
)
def test_larger_is_better(x: list[float], y: list[float], front: list[bool]) -> None:
    mask = pareto_front(np.array(x, float), np.array(y, float), larger_x_is_better=True, larger_y_is_better=True)
    assert mask.tolist() == front


@pytest.mark.parametrize("larger_x", [True, False])
@pytest.mark.parametrize("larger_y", [True, False])
def test_equals_the_definition_on_ties_infinities_and_nan(larger_x: bool, larger_y: bool) -> None:
    values = np.array([-INF, 0.0, 1.0, 2.0, 3.0, INF, NAN])
    generator = np.random.default_rng(0)
    for _ in range(50):
        x, y = generator.choice(values, 12), generator.choice(values, 12)
        mask = pareto_front(x, y, larger_x_is_better=larger_x, larger_y_is_better=larger_y)
        assert mask.tolist() == [_undominated(i, x if larger_x else -x, y if larger_y else -y) for i in range(12)]


def _undominated(i: int, x: np.ndarray, y: np.ndarray) -> bool:
    """No point is at least as good in both and better in one; all values: larger is better."""
    at_least = (x >= x[i]) & (y >= y[i])
    better = (x > x[i]) | (y > y[i])
    return not (np.isnan(x[i]) or np.isnan(y[i])) and not (at_least & better).any()

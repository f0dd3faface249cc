"""Many runs of the same cases over time: ``series`` orders them, ``changes`` finds where their level moved and what else
changed there, ``levels`` says what a new run is held against, ``hold`` holds it, ``export`` prints."""

from harness.history.changes import Change, find_changes
from harness.history.hold import hold_against
from harness.history.model import CaseHistory, History, build_history
from harness.history.series import Point, Series, read_series

__all__ = [
    "CaseHistory",
    "Change",
    "History",
    "Point",
    "Series",
    "build_history",
    "find_changes",
    "hold_against",
    "read_series",
]

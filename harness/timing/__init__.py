"""Timing, whatever the backend: what is asked (``Measure``), who takes samples (``Stopwatch``), when enough have been
taken (``stopping``), the loop (``engine``), and what is reported (``Timing``)."""

from harness.timing.engine import time_rounds
from harness.timing.measure import Measure
from harness.timing.stopping import STOP_DOC, StopReason
from harness.timing.stopwatch import MachineState, Round, Stopwatch
from harness.timing.summary import Timing

__all__ = ["STOP_DOC", "MachineState", "Measure", "Round", "StopReason", "Stopwatch", "Timing", "time_rounds"]

"""``python -m harness.profiling``: the process that is profiled."""

from harness.profiling.target import main

main()

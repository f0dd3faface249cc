"""Profiling: one case, prepared for NVIDIA's profilers. Which case (``choice``), the profilers and their command lines
(``profilers``), and the process that is profiled (``target``, run by ``python -m harness.profiling``)."""

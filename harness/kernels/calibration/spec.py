"""Kernels that find scales and zero points."""

from harness.kernels.spec import reference_spec

KERNELS = (reference_spec("calibration"),)

"""The kernel table: every kernel that suites may name.

Further kernels come from plug-ins: modules named in the environment variable ``HARNESS_PLUGINS`` (comma-separated),
each with a tuple ``KERNELS`` of KernelSpec. Suites name kernels; they never run code of their own.
"""

from __future__ import annotations

import functools
import importlib
import os

from harness.errors import DataError, did_you_mean
from harness.kernels import (
    calibration,
    dequantize,
    fake_quantize,
    fake_quantize_backward,
    fold_batch_norm,
    gemm,
    pitfalls,
    quantize,
    statistics,
)
from harness.kernels.spec import KernelSpec

KERNELS: tuple[KernelSpec, ...] = (
    *quantize.KERNELS,
    *dequantize.KERNELS,
    *fake_quantize.KERNELS,
    *fake_quantize_backward.KERNELS,
    *statistics.KERNELS,
    *calibration.KERNELS,
    *gemm.KERNELS,
    *fold_batch_norm.KERNELS,
    *pitfalls.KERNELS,
)

PLUGINS_VARIABLE = "HARNESS_PLUGINS"


@functools.cache
def _by_op_and_name() -> dict[tuple[str, str], KernelSpec]:
    rows = list(KERNELS)
    for module in filter(None, os.environ.get(PLUGINS_VARIABLE, "").split(",")):
        try:
            rows += importlib.import_module(module.strip()).KERNELS
        except (ImportError, AttributeError) as error:
            raise DataError(
                f"{PLUGINS_VARIABLE}: each entry is a module with a tuple KERNELS (got {module!r}: {error}); "
                "mend or unset it"
            ) from None
    return {(row.op, row.name): row for row in rows}


def all_kernels() -> tuple[KernelSpec, ...]:
    """The rows of this package and of the plug-ins."""
    return tuple(_by_op_and_name().values())


@functools.cache
def kernel_names(op: str) -> tuple[str, ...]:
    """Names of the kernels of one op."""
    return tuple(name for row_op, name in _by_op_and_name() if row_op == op)


def kernel(op: str, name: str) -> KernelSpec:
    """The row of that op and name."""
    try:
        return _by_op_and_name()[op, name]
    except KeyError:
        names = kernel_names(op)
        raise DataError(f"kernel: must be a kernel of {op} (got {name!r}); {did_you_mean(name, names)}") from None

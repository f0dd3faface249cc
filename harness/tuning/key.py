"""What a choice depends on: an operation, extents, types and schemes. Neither values nor how scales were found matter to
speed."""

from __future__ import annotations

import dataclasses

from harness.kernels.spec import OperandPlan, Request


def request_key(op: str, request: Request) -> str:
    """``gemm | activation 16x4096 bf16 | weight 4096x4096 bf16 int4/per_group:128``."""
    return " | ".join((op, *(f"{role} {_words(operand)}" for role, operand in sorted(request.items()))))


def _words(operand: OperandPlan) -> str:
    words = ["x".join(map(str, operand.shape)), operand.dtype]
    if operand.channel_axis:
        words.append(f"axis {operand.channel_axis}")
    if operand.scheme is not None:
        words.append(dataclasses.replace(operand.scheme, calibration="minmax").label)
    if operand.epilogue.label:
        words.append(operand.epilogue.label)
    return " ".join(words)

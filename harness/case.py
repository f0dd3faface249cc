"""One row to be: what planning makes and everything after it reads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.source import DataSource
from harness.kernels.spec import OUTPUT, OperandPlan, Request
from harness.numerics.epilogue import NOTHING, Epilogue
from harness.numerics.scheme import OperandScheme
from harness.suite.types import Shape
from harness.timing import Measure


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of a case; ``scheme`` None: not quantized (or of no matter to the kernel)."""

    role: str
    shape: tuple[int, ...]
    source: DataSource
    scheme: OperandScheme | None
    channel_axis: int
    dtype: str = "f32"


def request_of(operands: tuple[Operand, ...], epilogue: Epilogue = NOTHING) -> Request:
    """The operands, and an output that something is done to, as kernels are asked about them."""
    made = {each.role: OperandPlan(each.shape, each.scheme, each.channel_axis, each.dtype) for each in operands}
    if epilogue != NOTHING:
        extents = (made["activation"].shape[0], made["weight"].shape[0])
        made[OUTPUT] = OperandPlan(extents, None, dtype=made["activation"].dtype, epilogue=epilogue)
    return made


@dataclass(frozen=True, slots=True)
class Case:
    """One row to be. ``case_id`` is a digest of what identifies the case, so that nights join on it; ``skip`` is the
    reason why it is not run."""

    case_id: str
    name: str
    suite: str
    op: str
    kernel: str
    backend: str
    scheme: str | None
    shape: Shape
    operands: tuple[Operand, ...]
    seed: int
    measure: Measure
    reference_rows: int
    skip: str | None
    baseline: str | None
    """``case_id`` of the baseline's case on the same shape (and, where it looks at it, scheme); its own if it is that."""
    epilogue: Epilogue = NOTHING

    @property
    def request(self) -> Request:
        """What its kernel is asked for."""
        return request_of(self.operands, self.epilogue)

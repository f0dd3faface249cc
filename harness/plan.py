"""Suite × device → cases. Pure: no device is touched, nothing is loaded.

A case is one kernel on one shape with one scheme an operand. Combinations that a kernel or a scheme cannot serve are
cases too, skipped with the reason, so that every planned combination has its row.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.combinations import Schemes, Variant, Variants, axis_values, matches
from harness.data.source import DataSource
from harness.device import Device
from harness.kernels import kernel as kernel_row
from harness.kernels.ops import OPS, Op
from harness.kernels.spec import OperandPlan, Request
from harness.numerics.scheme import OperandScheme
from harness.suite.types import Measure, Shape, Suite

__all__ = ["Case", "Operand", "axis_values", "plan"]


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of a case; ``scheme`` None: not quantized (or of no matter to the kernel)."""

    role: str
    shape: tuple[int, ...]
    source: DataSource
    scheme: OperandScheme | None
    channel_axis: int


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


def plan(suite: Suite, device: Device) -> tuple[Case, ...]:
    """Every case of the suite on ``device``, in running order: shape by shape, the baseline first."""
    op = OPS[suite.op]
    name = dict(suite.baseline).get(device.backend)
    variants = Variants(suite, op, kernel_row(op.name, name) if name else None)
    return tuple(case for shape in suite.shapes for case in _OnShape(shape, suite, op, device).cases(variants))


class _OnShape:
    """What the cases of one shape share: operands, and which schemes fit them, found once for each scheme.

    Planning is quick because of what is not done for each case: variants are resolved once a suite, operands and
    schemes' problems once a shape and scheme; they are looked up by the variants' number for their schemes, since
    hashing schemes costs more than all the rest.
    """

    def __init__(self, shape: Shape, suite: Suite, op: Op, device: Device) -> None:
        self._shape, self._suite, self._op, self._device = shape, suite, op, device
        self._shapes = op.operand_shapes(shape.extents)
        self._sources = dict(shape.sources)
        extents = "x".join(map(str, shape.extents))
        data = ";".join(f"{role}={source.label}" for role, source in shape.sources)
        self._label = f"{shape.name}[{extents}]"
        measure = suite.measure
        self._head = f"{suite.name}\n{op.name}\n{suite.seed}\n{measure.l2}\n{measure.mode}\n"
        self._tail = f"\n{self._label}\n{shape.channel_axis}\n{data}"
        self._too_large = self._memory_problem()
        self._by_schemes: dict[int, _Fitted] = {}

    def cases(self, variants: Variants) -> Iterator[Case]:
        """The cases of the combinations that the suite has on this shape; each once, its baseline before it."""
        made: dict[Variant, Case] = {}
        for combination in variants.combinations:
            if combination.patterns and not matches(self._shape.name, combination.patterns):
                continue
            if any(not patterns or matches(self._shape.name, patterns) for patterns in combination.drops):
                continue
            for variant, baseline in ((combination.baseline, combination.baseline), combination.pair):
                if variant is not None and variant not in made:
                    made[variant] = self._case(variant, made.get(baseline) if baseline is not None else None)
                    yield made[variant]

    def _case(self, variant: Variant, baseline: Case | None) -> Case:
        spec = variant.spec
        fitted = self._fitted(variant)
        identity = f"{self._head}{spec.name}\n{variant.words}{self._tail}"
        digest = hashlib.blake2b(identity.encode(), digest_size=10).hexdigest()
        own = digest if variant.is_baseline else None
        return Case(
            case_id=digest,
            name=f"{self._op.name}/{spec.name}/{self._label}{variant.suffix}",
            suite=self._suite.name,
            op=self._op.name,
            kernel=spec.name,
            backend=spec.backend or self._device.backend,
            scheme=variant.label,
            shape=self._shape,
            operands=fitted.operands,
            seed=self._suite.seed,
            measure=self._suite.measure,
            reference_rows=self._suite.reference_rows,
            skip=self._problem(variant, fitted),
            baseline=baseline.case_id if baseline is not None else own,
        )

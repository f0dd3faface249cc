"""Suite × device → cases. Pure: no device is touched, nothing is loaded.

A case is one kernel on one shape with one scheme an operand. Combinations that a kernel or a scheme cannot serve are
cases too, skipped with the reason, so that every planned combination has its row.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import math
from collections.abc import Iterable, Iterator

from harness.case import Case, Operand, request_of
from harness.combinations import Combination, Variant, combinations
from harness.device import Device
from harness.kernels import kernel
from harness.kernels.ops import OPS, Op
from harness.kernels.spec import Request
from harness.numerics.epilogue import Epilogue
from harness.numerics.scheme import OperandScheme
from harness.suite.types import Shape, Suite

_GPU_REFERENCE_OUTPUTS = 1 << 25
"""Outputs of a product that are checked where a GPU makes the reference: the host compares them, in float64."""


def plan(suite: Suite, device: Device) -> tuple[Case, ...]:
    """Every case of the suite on ``device``, in running order: shape by shape, the baseline first."""
    op = OPS[suite.op]
    baseline = dict(suite.baseline).get(device.backend)
    with _collector_paused():
        chosen = combinations(suite, op, kernel(op.name, baseline) if baseline else None)
        return tuple(case for shape in suite.shapes for case in _OnShape(shape, suite, op, device).cases(chosen))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that planning makes is garbage, yet looking for some took a third of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _OnShape:
    """What the cases of one shape share: operands, and whether schemes fit them, found once for each scheme."""

    def __init__(self, shape: Shape, suite: Suite, op: Op, device: Device) -> None:
        self._shape, self._suite, self._op, self._device = shape, suite, op, device
        data = ";".join(f"{role}={source.label}" for role, source in shape.sources)
        measure = suite.measure
        self._label = shape.label
        self._head = f"{suite.name}\n{op.name}\n{suite.seed}\n{measure.l2}\n{measure.mode}\n"
        self._tail = f"\n{self._label}\n{shape.channel_axis}\n{data}"
        self._shapes = op.operand_shapes(shape.extents)
        self._sources = dict(shape.sources)
        self._too_large = self._memory_problem()
        self._operands: dict[int, tuple[Operand, ...]] = {}
        self._requests: dict[int, Request | str] = {}
        self._scheme_problems: dict[tuple[str, OperandScheme], str | None] = {}

    def cases(self, chosen: Iterable[Combination]) -> Iterator[Case]:
        """The cases of the combinations that the suite has on this shape; each once, its baseline before it."""
        made: dict[int, str] = {}
        for combination in chosen:
            variants, baseline = combination.on(self._shape.name), combination.baseline
            if baseline is not None and variants:
                variants = (baseline, *variants)
            for variant in variants:
                if variant.key not in made:
                    made[variant.key] = case_id = self._case_id(variant)
                    yield self._case(variant, case_id, made[baseline.key] if baseline is not None else None)

    def _case_id(self, variant: Variant) -> str:
        """The digest must not change: nights are joined on it."""
        identity = f"{self._head}{variant.spec.name}\n{variant.words}{self._tail}"
        return hashlib.blake2b(identity.encode(), digest_size=10).hexdigest()

    def _case(self, variant: Variant, case_id: str, baseline: str | None) -> Case:
        spec, suite = variant.spec, self._suite
        name = f"{self._op.name}/{spec.name}/{self._label}"
        return Case(
            case_id=case_id,
            name=f"{name}/{variant.words}" if variant.words else name,
            suite=suite.name,
            op=self._op.name,
            kernel=spec.name,
            backend=spec.backend_on(self._device),
            scheme=variant.label,
            shape=self._shape,
            operands=self._operands_of(variant),
            seed=suite.seed,
            measure=suite.measure,
            reference_rows=self._reference_rows(),
            skip=self._problem(variant),
            baseline=baseline,
            epilogue=variant.epilogue,
        )

    def _operands_of(self, variant: Variant) -> tuple[Operand, ...]:
        found = self._operands.get(variant.number)
        if found is None:
            found = self._operands[variant.number] = tuple(
                Operand(role, self._shapes[role], self._sources[role], scheme, self._axis_of(role), self._shape.dtype)
                for role, scheme in zip(self._op.roles, variant.schemes, strict=True)
            )
        return found

    def _axis_of(self, role: str) -> int:
        """The axis of a channel: rows of a weight, columns (k) of an activation, the suite's choice for a tensor."""
        return {"weight": 0, "activation": 1}.get(role, self._shape.channel_axis)

    def _problem(self, variant: Variant) -> str | None:
        """Why the case cannot be run: first what no change of schemes would mend."""
        spec = variant.spec
        if spec.backend is not None and spec.backend != self._device.backend:
            return f"needs the {spec.backend} backend"
        if not spec.entry:
            return f"this version has no {spec.name}"
        request = self._requests.get(variant.number)
        if request is None:
            request = self._requests[variant.number] = self._request(self._operands_of(variant), variant.epilogue)
        return request if isinstance(request, str) else spec.problem(request, self._device)

    def _request(self, operands: tuple[Operand, ...], epilogue: Epilogue) -> Request | str:
        """What kernels are asked for, or why no kernel can do it."""
        for operand in operands:
            if reason := self._scheme_problem(operand):
                return reason if operand.role == "tensor" else f"{operand.role}: {reason}"
        if self._too_large is not None:
            return self._too_large
        return request_of(operands, epilogue)

    def _scheme_problem(self, operand: Operand) -> str | None:
        if operand.scheme is None:
            return None
        known = (operand.role, operand.scheme)
        if known not in self._scheme_problems:
            self._scheme_problems[known] = operand.scheme.problem(operand.shape, operand.channel_axis)
        return self._scheme_problems[known]

    def _reference_rows(self) -> int:
        """How many rows of a product are checked: all that a GPU's memory takes easily, on a CPU what the suite allows."""
        if self._op.one_tensor or self._device.backend == "cpu":
            return self._suite.reference_rows
        return max(self._suite.reference_rows, _GPU_REFERENCE_OUTPUTS // self._shape.extents[1])

    def _memory_problem(self) -> str | None:
        needed = sum(16 * math.prod(shape) for shape in self._shapes.values())  # values, codes, errors in float64
        if not self._op.one_tensor:
            m, n, _ = self._shape.extents
            needed += 8 * m * n  # the product, and its copy on the host
        has = self._device.memory_bytes
        if needed <= has:
            return None
        return f"needs about {needed / 2**30:.1f} GiB, {self._device.name} has {has / 2**30:.1f}"

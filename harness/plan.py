"""Suite × device → cases. Pure: no device is touched, nothing is loaded.

A case is one kernel on one shape with one scheme an operand. Combinations that a kernel or a scheme cannot serve are
cases too, skipped with the reason, so that every planned combination has its row.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.data.source import DataSource
from harness.device import Device
from harness.kernels import kernel as kernel_row
from harness.kernels.ops import OPS, Op, axis_prefix
from harness.kernels.spec import KernelSpec, OperandPlan
from harness.numerics.scheme import OperandScheme, preset, preset_name
from harness.suite.fields import NO_FORMAT
from harness.suite.model import AXES
from harness.suite.types import Axes, AxisValue, Include, Measure, Shape, Suite


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


Schemes = tuple[OperandScheme | None, ...]


def plan(suite: Suite, device: Device) -> tuple[Case, ...]:
    """Every case of the suite on ``device``, in running order: shape by shape, the baseline first."""
    op = OPS[suite.op]
    combinations = list(_combinations(suite, op))
    planner = _Planner(suite, op, device)
    return tuple(planner.cases(combinations))


@dataclass(frozen=True)
class _Combination:
    kernel: str
    schemes: Schemes
    shapes: tuple[str, ...]
    label: str | None = field(compare=False)


def _combinations(suite: Suite, op: Op) -> Iterator[_Combination]:
    """Matrix and includes, without the excluded; each once. The kernel varies fastest, so that operands are reused."""
    seen: dict[_Combination, None] = {}
    for axes, shapes in ((suite.matrix, ()), *((entry.axes, entry.shapes) for entry in suite.include)):
        names = [name for name, _ in axes]
        order = sorted(range(len(axes)), key=lambda index: names[index] == "kernel")
        for values in itertools.product(*(axes[index][1] for index in order)):
            chosen = dict(zip((names[index] for index in order), values, strict=True))
            schemes = _schemes(op, chosen)
            label = _preset_label(op, chosen, schemes)
            for kernel in [chosen["kernel"]] if "kernel" in chosen else _matrix_kernels(suite.matrix):
                combination = _Combination(str(kernel), schemes, shapes, label)
                seen.setdefault(combination)
    return iter(seen)


def _matrix_kernels(matrix: Axes) -> tuple[AxisValue, ...]:
    return dict(matrix)["kernel"]


def _preset_label(op: Op, chosen: dict[str, AxisValue], schemes: Schemes) -> str | None:
    """The preset that the operands spell out; of one-tensor ops the one that was named, if nothing changed it."""
    if not op.one_tensor:
        weight, activation = schemes
        return preset_name(weight, activation)
    named = preset(str(chosen["scheme"])) if "scheme" in chosen else None
    return named.name if named is not None and schemes == (named.weight,) else None


def _schemes(op: Op, chosen: dict[str, AxisValue]) -> Schemes:
    """The operands' schemes: a preset's where one is named, with the axes that are spelled out on top."""
    named = preset(str(chosen["scheme"])) if "scheme" in chosen else None
    schemes: list[OperandScheme | None] = []
    for role in op.roles:
        prefix = axis_prefix(role)
        own = {axis: chosen[prefix + axis] for axis in AXES if prefix + axis in chosen}
        start = None
        if named is not None:
            start = named.activation if role == "activation" else named.weight
        if own.get("format") == NO_FORMAT or (start is None and "format" not in own):
            schemes.append(None)
        else:
            schemes.append(replace(start or OperandScheme(), **own))  # type: ignore[arg-type]
    return tuple(schemes)


class _Planner:
    def __init__(self, suite: Suite, op: Op, device: Device) -> None:
        self._suite, self._op, self._device = suite, op, device
        baseline = dict(suite.baseline).get(device.backend)
        self._baseline = kernel_row(op.name, baseline) if baseline else None
        self._labels: dict[Schemes, str] = {}
        self._prefix = f"{suite.name}\n{op.name}\n{suite.seed}\n{suite.measure.l2}\n{suite.measure.mode}\n"

    def cases(self, combinations: list[_Combination]) -> Iterator[Case]:
        excluded = [_Exclusion(entry, self._op) for entry in self._suite.exclude]
        for shape in self._suite.shapes:
            on_shape = _OnShape(shape, self._op)
            seen: set[str] = set()
            for combination in combinations:
                if combination.shapes and not _matches(shape.name, combination.shapes):
                    continue
                if any(rule.drops(combination.kernel, combination.schemes, shape.name) for rule in excluded):
                    continue
                spec = kernel_row(self._op.name, combination.kernel)
                baseline = self._case(self._baseline, combination, on_shape, None) if self._baseline else None
                case = self._case(spec, combination, on_shape, baseline)
                for each in (baseline, case):
                    if each is not None and each.case_id not in seen:
                        seen.add(each.case_id)
                        yield each

    def _case(self, spec: KernelSpec, combination: _Combination, on: _OnShape, baseline: Case | None) -> Case:
        schemes = combination.schemes
        if spec.ignores:
            schemes = tuple(
                None if role in spec.ignores else scheme for role, scheme in zip(self._op.roles, schemes, strict=True)
            )
        spelled = self._spelled(schemes)
        identity = f"{self._prefix}{spec.name}\n{spelled}\n{on.identity}"
        digest = hashlib.blake2b(identity.encode(), digest_size=10).hexdigest()
        return Case(
            case_id=digest,
            name="/".join(filter(None, (self._op.name, spec.name, on.label, spelled))),
            suite=self._suite.name,
            op=self._op.name,
            kernel=spec.name,
            backend=spec.backend or self._device.backend,
            scheme=(combination.label or spelled) if spelled else None,
            shape=on.shape,
            operands=on.operands(schemes),
            seed=self._suite.seed,
            measure=self._suite.measure,
            reference_rows=self._suite.reference_rows,
            skip=on.problem(spec, schemes, self._device),
            baseline=baseline.case_id if baseline is not None else digest if spec is self._baseline else None,
        )

    def _spelled(self, schemes: Schemes) -> str:
        """The schemes in words, which identify the case; empty where none is quantized."""
        if schemes not in self._labels:
            quantized = any(scheme is not None for scheme in schemes)
            words = ("none" if scheme is None else scheme.label for scheme in schemes)
            self._labels[schemes] = " x ".join(words) if quantized else ""
        return self._labels[schemes]


class _OnShape:
    """What the cases of one shape share; answers are cached by kernel and schemes."""

    def __init__(self, shape: Shape, op: Op) -> None:
        self.shape = shape
        self._op = op
        self._shapes = op.operand_shapes(shape.extents)
        self._sources = dict(shape.sources)
        extents = "x".join(map(str, shape.extents))
        data = ";".join(f"{role}={source.label}" for role, source in shape.sources)
        self.label = f"{shape.name}[{extents}]"
        self.identity = f"{self.label}\n{shape.channel_axis}\n{data}"
        self._operands: dict[Schemes, tuple[Operand, ...]] = {}
        self._problems: dict[Schemes, str | None] = {}

    def axis_of(self, role: str) -> int:
        """The axis of a channel: rows of a weight, columns (k) of an activation, the suite's choice for a tensor."""
        return {"weight": 0, "activation": 1}.get(role, self.shape.channel_axis)

    def operands(self, schemes: Schemes) -> tuple[Operand, ...]:
        if schemes not in self._operands:
            self._operands[schemes] = tuple(
                Operand(role, self._shapes[role], self._sources[role], scheme, self.axis_of(role))
                for role, scheme in zip(self._op.roles, schemes, strict=True)
            )
        return self._operands[schemes]

    def problem(self, spec: KernelSpec, schemes: Schemes, device: Device) -> str | None:
        if spec.backend is not None and spec.backend != device.backend:
            return f"needs the {spec.backend} backend"
        if not spec.entry:
            return f"this version has no {spec.name}"
        if schemes not in self._problems:
            self._problems[schemes] = self._scheme_problem(schemes, device)
        if self._problems[schemes] is not None:
            return self._problems[schemes]
        request = {
            operand.role: OperandPlan(operand.shape, operand.scheme, operand.channel_axis)
            for operand in self.operands(schemes)
        }
        return spec.supports(request, device)

    def _scheme_problem(self, schemes: Schemes, device: Device) -> str | None:
        needed = 0
        for operand in self.operands(schemes):
            elements = 1
            for extent in operand.shape:
                elements *= extent
            needed += 16 * elements  # values, codes, and float64 while errors are summed
            if operand.scheme is not None and (reason := operand.scheme.problem(operand.shape, operand.channel_axis)):
                return reason if operand.role == "tensor" else f"{operand.role}: {reason}"
        if needed > device.memory_bytes:
            return f"needs about {needed / 2**30:.1f} GiB, {device.name} has {device.memory_bytes / 2**30:.1f}"
        return None


class _Exclusion:
    """A combination is dropped when every axis of the entry holds one of the listed values."""

    def __init__(self, entry: Include, op: Op) -> None:
        self._axes = {axis: frozenset(values) for axis, values in entry.axes}
        self._shapes, self._op = entry.shapes, op
        self._known: dict[Schemes, bool] = {}

    def drops(self, kernel: str, schemes: Schemes, shape_name: str) -> bool:
        if self._shapes and not _matches(shape_name, self._shapes):
            return False
        if "kernel" in self._axes and kernel not in self._axes["kernel"]:
            return False
        if schemes not in self._known:
            values = axis_values(self._op, schemes)
            self._known[schemes] = all(
                values.get(axis) in wanted for axis, wanted in self._axes.items() if axis != "kernel"
            )
        return self._known[schemes]


def axis_values(op: Op, schemes: Iterable[OperandScheme | None]) -> dict[str, AxisValue | None]:
    """Axis → value of resolved schemes, as suites and filters name them (an unquantized operand: format none)."""
    schemes = tuple(schemes)
    weight, activation = (*schemes, None)[:2]
    values: dict[str, AxisValue | None] = {"scheme": preset_name(weight, activation)}
    for role, scheme in zip(op.roles, schemes, strict=True):
        prefix = axis_prefix(role)
        if scheme is None:
            values[prefix + "format"] = NO_FORMAT
        else:
            values.update({prefix + axis: getattr(scheme, axis) for axis in AXES})
    return values


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

"""A suite's axes → combinations of a kernel and schemes, resolved once and then planned on every shape."""

from __future__ import annotations

import fnmatch
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.kernels import kernel as kernel_row
from harness.kernels import kernel_names
from harness.kernels.ops import Op, axis_prefix
from harness.kernels.spec import OUTPUT, KernelSpec
from harness.numerics.epilogue import NOTHING, Epilogue
from harness.numerics.scheme import OperandScheme, preset, preset_name
from harness.suite.fields import NO_FORMAT
from harness.suite.model import AXES, EPILOGUE_AXES
from harness.suite.types import Axes, AxisValue, Include, Suite

Schemes = tuple[OperandScheme | None, ...]
"""One scheme an operand, in the order of the op's roles; None: not quantized."""

Formats = tuple[Schemes, Epilogue]
"""What a case is about besides its kernel and shape."""

Patterns = tuple[str, ...]
"""Patterns of shape names; none: all shapes."""


@dataclass(frozen=True, eq=False, slots=True)
class Variant:
    """A kernel with the schemes that it looks at. Variants of equal ``key`` are the same case on a shape; those of
    equal ``number`` have equal schemes and epilogues. ``words`` spells the schemes, empty where none is quantized; ``label`` is what
    the column ``scheme`` shows."""

    spec: KernelSpec
    schemes: Schemes
    epilogue: Epilogue
    number: int
    key: int
    words: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Drop:
    """What an entry of ``exclude`` takes away on the shapes of its patterns; no kernels: all of them."""

    kernels: frozenset[AxisValue]
    patterns: Patterns

    def kept(self, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
        return tuple(each for each in variants if self.kernels and each.spec.name not in self.kernels)


@dataclass(frozen=True, eq=False, slots=True)
class Combination:
    """Schemes, and the kernels that the suite has for them. ``baseline`` is what their speedup is measured against;
    ``drops`` is what some shapes leave out."""

    variants: tuple[Variant, ...]
    baseline: Variant | None
    patterns: Patterns
    drops: tuple[Drop, ...]

    def on(self, shape_name: str) -> tuple[Variant, ...]:
        """The variants that the suite has on that shape."""
        if self.patterns and not matches(shape_name, self.patterns):
            return ()
        kept = self.variants
        for drop in self.drops:
            if matches(shape_name, drop.patterns):
                kept = drop.kept(kept)
        return kept


def combinations(suite: Suite, op: Op, baseline: KernelSpec | None) -> tuple[Combination, ...]:
    """Matrix and includes, in the order in which the suite lists them."""
    builder = _Builder(op, baseline, suite.exclude)
    kernels = dict(suite.matrix)["kernel"]
    found = []
    for axes, patterns in ((suite.matrix, ()), *((entry.axes, entry.shapes) for entry in suite.include)):
        specs = [kernel_row(op.name, str(name)) for name in dict(axes).get("kernel", kernels)]
        for formats, named in _formats_of(axes, op):
            combination = builder.combination(specs, formats, named, patterns)
            if combination.variants:
                found.append(combination)
    return tuple(found)


def _formats_of(axes: Axes, op: Op) -> Iterator[tuple[Formats, str | None]]:
    """The product of all axes but the kernel: resolved schemes with what follows the product, and the preset that is named and was left as it is."""
    others = [(name, values) for name, values in axes if name != "kernel"]
    names = [name for name, _ in others]
    for values in itertools.product(*(values for _, values in others)):
        chosen = dict(zip(names, values, strict=True))
        schemes = _resolve(op, chosen)
        named = preset(str(chosen["scheme"])) if "scheme" in chosen else None
        yield (schemes, _epilogue(chosen)), named.name if named is not None and schemes[0] == named.weight else None


def _resolve(op: Op, chosen: Mapping[str, AxisValue]) -> Schemes:
    """The operands' schemes: a preset's where one is named, with the axes that are spelled out on top."""
    named = preset(str(chosen["scheme"])) if "scheme" in chosen else None
    schemes: list[OperandScheme | None] = []
    for role in op.roles:
        own = {axis: chosen[name] for axis, name in _axes_of(role) if name in chosen}
        start = None
        if named is not None:
            start = named.activation if role == "activation" else named.weight
        if own.get("format") == NO_FORMAT or (start is None and "format" not in own):
            schemes.append(None)
        elif start is None:
            schemes.append(OperandScheme(**own))  # type: ignore[arg-type]
        else:
            schemes.append(replace(start, **own) if own else start)  # type: ignore[arg-type]
    return tuple(schemes)


def _epilogue(chosen: Mapping[str, AxisValue]) -> Epilogue:
    return Epilogue(**{field: chosen[axis] for field, axis in _EPILOGUE_FIELDS if axis in chosen})  # type: ignore[arg-type]


_EPILOGUE_FIELDS = tuple(zip(("bias", "function", "output"), EPILOGUE_AXES, strict=True))


@functools.cache
def _axes_of(role: str) -> tuple[tuple[str, str], ...]:
    """Each axis of an operand: its field of OperandScheme, and its name in the suite."""
    return tuple((axis, axis_prefix(role) + axis) for axis in AXES)


class _Builder:
    """Makes combinations. Equal schemes get one number, so that they are hashed, spelled and checked once."""

    def __init__(self, op: Op, baseline: KernelSpec | None, exclude: Iterable[Include]) -> None:
        self._op, self._baseline = op, baseline
        self._exclude = [_Exclusion(entry) for entry in exclude]
        self._kernels = {name: index for index, name in enumerate(kernel_names(op.name))}
        self._numbers: dict[Formats, int] = {}
        self._formats: list[Formats] = []
        self._words: list[str] = []
        self._presets: list[str | None] = []
        self._left: dict[frozenset[str], dict[int, int]] = {}
        self._variants: dict[str | None, dict[int, Variant]] = {}

    def combination(
        self, specs: Iterable[KernelSpec], formats: Formats, named: str | None, patterns: Patterns
    ) -> Combination:
        number = self._number(formats)
        label = named if self._op.one_tensor else self._presets[number]
        variants = tuple([self._variant(spec, number, label) for spec in specs])
        baseline = self._variant(self._baseline, number, label) if self._baseline is not None else None
        drops = self._drops(number, label) if self._exclude else ()
        for drop in drops:
            variants = variants if drop.patterns else drop.kept(variants)
        return Combination(variants, baseline, patterns, tuple(drop for drop in drops if drop.patterns))

    def _number(self, formats: Formats) -> int:
        number = self._numbers.setdefault(formats, len(self._formats))
        if number == len(self._formats):
            schemes, epilogue = formats
            words = ["none" if scheme is None else scheme.label for scheme in schemes]
            operands = " x ".join(words) if any(schemes) else ""
            self._formats.append(formats)
            self._words.append(" + ".join(part for part in (operands, epilogue.label) if part))
            self._presets.append(None if self._op.one_tensor else preset_name(*schemes))
        return number

    def _variant(self, spec: KernelSpec, number: int, label: str | None) -> Variant:
        if spec.ignores:
            number = self._without(spec.ignores, number)
        if not self._op.one_tensor:
            label = self._presets[number]  # of what is left: without its activation w8a8 is w8a16
        known = self._variants.setdefault(label, {})
        key = number * len(self._kernels) + self._kernels[spec.name]
        if key not in known:
            words = self._words[number]
            known[key] = Variant(spec, *self._formats[number], number, key, words, (label or words) if words else None)
        return known[key]

    def _without(self, ignored: frozenset[str], number: int) -> int:
        """The number of the schemes that are left where a kernel does not look at the ``ignored`` roles."""
        known = self._left.setdefault(ignored, {})
        if number not in known:
            schemes, epilogue = self._formats[number]
            roles = zip(self._op.roles, schemes, strict=True)
            left = tuple(None if role in ignored else scheme for role, scheme in roles)
            known[number] = self._number((left, NOTHING if OUTPUT in ignored else epilogue))
        return known[number]

    def _drops(self, number: int, label: str | None) -> tuple[Drop, ...]:
        """Of the whole combination: a kernel that ignores an axis is dropped by it nevertheless."""
        values = {**axis_values(self._op, *self._formats[number]), "scheme": label}
        return tuple(rule.drop for rule in self._exclude if rule.names(values))


class _Exclusion:
    """A combination is dropped when every axis of the entry holds one of the listed values."""

    def __init__(self, entry: Include) -> None:
        self._axes = {axis: frozenset(values) for axis, values in entry.axes}
        self.drop = Drop(self._axes.pop("kernel", frozenset()), entry.shapes)

    def names(self, values: Mapping[str, AxisValue | None]) -> bool:
        """Whether its axes other than the kernel name a combination of these values."""
        return all(values.get(axis) in wanted for axis, wanted in self._axes.items())


def axis_values(
    op: Op, schemes: Iterable[OperandScheme | None], epilogue: Epilogue = NOTHING
) -> dict[str, AxisValue | None]:
    """Axis → value of resolved schemes, as suites and filters name them (an unquantized operand: format none)."""
    values: dict[str, AxisValue | None] = {}
    if op.epilogue:
        values.update({axis: getattr(epilogue, field) for field, axis in _EPILOGUE_FIELDS})
    for role, scheme in zip(op.roles, schemes, strict=True):
        prefix = axis_prefix(role)
        if scheme is None:
            values[prefix + "format"] = NO_FORMAT
        else:
            values.update({prefix + axis: getattr(scheme, axis) for axis in AXES})
    return values


@functools.lru_cache(maxsize=4096)
def matches(name: str, patterns: Patterns) -> bool:
    """Whether ``name`` is one of ``patterns``, or matches one as a glob: names may hold brackets themselves."""
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

"""Schemes: format × granularity × symmetry × scale format × calibration, and the presets that people name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from harness.errors import SchemeError, did_you_mean
from harness.numerics.formats import ElementFormat, element_format
from harness.numerics.granularity import Granularity
from harness.numerics.scales import ScaleFormat, scale_format

KL_MINIMUM_BLOCK = 2048
"""Elements a block needs before a 2048-bin histogram of it means anything."""

RANGES = {"static": "calibrated before timing", "dynamic": "range finding and quantization are inside the timed part"}


@dataclass(frozen=True)
class CalibrationKind:
    """One row of the calibration table. ``argument``: none, required, optional, or batched (optional, and after a comma a
    number of batches, optional too)."""

    name: str
    argument: str
    doc: str


CALIBRATIONS: dict[str, CalibrationKind] = {
    row.name: row
    for row in (
        CalibrationKind("minmax", "none", "the observed range"),
        CalibrationKind(
            "ema_minmax",
            "batched",
            "ema_minmax:C,BATCHES, the moving average of the ranges of a block's batches, C the weight of the next",
        ),
        CalibrationKind("percentile", "required", "percentile:P, the order statistic at P percent"),
        CalibrationKind("mse", "none", "the scale (and zero point) of least squared error"),
        CalibrationKind("kl", "optional", "kl or kl:BINS, the amplitude of least KL divergence of histograms"),
        CalibrationKind("fixed", "required", "fixed:A, the clipping amplitude A"),
    )
}

# Bounded, because a Fraction of a longer exponent or mantissa may take forever.
_NUMBER = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,3})?")


_BATCHES = re.compile(r"[1-9]\d{0,4}")
_MOST_BATCHES = 65536
_DEFAULTS = {"kl": Fraction(2048), "ema_minmax": Fraction(1, 100)}
_DEFAULT_BATCHES = 64
"""Not PyTorch's, where a batch is what an observer is called with: a power of two, so that batches end where vectors do."""


@dataclass(frozen=True)
class Calibration:
    """A parsed calibration. ``argument`` is the percentile, the number of bins, the amplitude or the weight of a moving
    average, exactly as written; ``batches`` how many ranges that average is of, at most."""

    kind: str
    argument: Fraction | None = None
    batches: int | None = None

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """``percentile:99.9`` and the like; raises SchemeError naming the rule."""
        kind, colon, argument = text.partition(":")
        row = CALIBRATIONS.get(kind)
        if row is None:
            raise SchemeError(
                f"calibration: must be a known calibration (got {text!r}); {did_you_mean(kind, CALIBRATIONS)}"
            )
        batches = _DEFAULT_BATCHES if row.argument == "batched" else None
        if not colon and row.argument != "required":
            return cls(kind, _DEFAULTS.get(kind), batches)
        if row.argument == "batched" and "," in argument:
            argument, _, count = argument.partition(",")
            if not _BATCHES.fullmatch(count) or int(count) > _MOST_BATCHES:
                rule = f"BATCHES is a whole number from 1 to {_MOST_BATCHES}"
                raise SchemeError(f"calibration: {rule} (got {text!r}); {_example(kind)}")
            batches = int(count)
        if row.argument == "none" or not _NUMBER.fullmatch(argument):
            raise SchemeError(f"calibration: {row.doc} (got {text!r}); {_example(kind)}")
        value = Fraction(argument)
        if not _ARGUMENT_RULES[kind][0](value):
            raise SchemeError(f"calibration: {_ARGUMENT_RULES[kind][1]} (got {text!r}); {_example(kind)}")
        return cls(kind, value, batches)

    def __str__(self) -> str:
        given = self.batches not in (None, _DEFAULT_BATCHES)
        if self.argument is None or (self.argument == _DEFAULTS.get(self.kind) and not given):
            return self.kind
        whole = self.argument.denominator == 1
        number = f"{self.kind}:{self.argument.numerator if whole else float(self.argument)!r}"
        return f"{number},{self.batches}" if given else number


_ARGUMENT_RULES: dict[str, tuple[Callable[[Fraction], bool], str]] = {
    "percentile": (lambda v: 50 < v <= 100, "P lies above 50 and at most at 100"),
    "ema_minmax": (lambda v: Fraction(1, 10**6) <= v <= 1, "C is a number from 1e-6 to 1"),
    "kl": (lambda v: v.denominator == 1 and 2 <= v <= 65536, "BINS is a whole number from 2 to 65536"),
    "fixed": (lambda v: Fraction(2) ** -126 <= v < 3 * 10**38, "A is a positive number from 1.2e-38 to below 3e38"),
}


def _example(kind: str) -> str:
    return {
        "ema_minmax": f"write ema_minmax or ema_minmax:0.01,{_DEFAULT_BATCHES}",
        "percentile": "write percentile:99.9",
        "kl": "write kl or kl:2048",
        "fixed": "write fixed:3.5",
    }.get(kind, f"write {kind}")


@dataclass(frozen=True)
class OperandScheme:
    """How one operand is quantized. Text fields hold the canonical names that suites and results use."""

    format: str = "int8"
    granularity: str = "per_tensor"
    symmetric: bool = True
    calibration: str = "minmax"
    scale_format: str = "f32"
    narrow_range: bool = False
    range: str = "static"

    @property
    def element(self) -> ElementFormat:
        return element_format(self.format)

    @property
    def blocks(self) -> Granularity:
        return Granularity.parse(self.granularity)

    @property
    def scales(self) -> ScaleFormat:
        return scale_format(self.scale_format)

    @property
    def calibrator(self) -> Calibration:
        return Calibration.parse(self.calibration)

    @property
    def label(self) -> str:
        """Short and readable: only what differs from the defaults is spelled."""
        parts = [self.format, self.granularity]
        parts += [] if self.symmetric else ["asymmetric"]
        parts += [] if self.calibration == "minmax" else [self.calibration]
        parts += [] if self.scale_format == "f32" else [self.scale_format]
        parts += ["narrow"] if self.narrow_range else []
        parts += [] if self.range == "static" else [self.range]
        return "/".join(parts)

    def problem(self, shape: tuple[int, ...], channel_axis: int = 0) -> str | None:
        """Why this scheme cannot quantize a tensor of ``shape``, or None. Such cases are planned as skipped."""
        element = self.element
        if not self.symmetric and not element.is_integer:
            return f"asymmetric needs an integer format, not {self.format}"
        if self.narrow_range and element.kind != "int":
            return f"narrow_range needs a signed integer format, not {self.format}"
        calibrator = self.calibrator
        if calibrator.kind == "kl":
            if not element.is_integer:
                return f"kl is defined for integer formats, not {self.format}"
            if calibrator.argument is not None and calibrator.argument <= element.levels:
                return f"kl needs more bins than the {element.levels} levels of {self.format}"
            smallest = self.blocks.tiling(shape, channel_axis).smallest_block
            if smallest < KL_MINIMUM_BLOCK:
                return f"kl needs blocks of at least {KL_MINIMUM_BLOCK} elements"
        if self.range == "dynamic" and calibrator.kind != "minmax":
            return f"a dynamic range is minmax, not {calibrator.kind}"
        return None

    def bits_per_element(self, shape: tuple[int, ...], channel_axis: int = 0) -> float:
        """Stored bits an element: code, and its share of scales, zero points and the global scale."""
        elements = math.prod(shape)
        row, tiling = self.scales, self.blocks.tiling(shape, channel_axis)
        overhead = row.bits + (0 if self.symmetric else self.element.bits)
        total = elements * self.element.bits + tiling.blocks * overhead + (32 if row.two_level else 0)
        return total / max(1, elements)


@dataclass(frozen=True)
class Scheme:
    """A named pair of operand schemes; None is unquantized."""

    name: str
    weight: OperandScheme | None
    activation: OperandScheme | None
    doc: str


def _both(name: str, doc: str, operand: OperandScheme) -> Scheme:
    return Scheme(name, operand, operand, doc)


def _w4a16(group: int) -> Scheme:
    weight = OperandScheme("int4", f"per_group:{group}", symmetric=False)
    return Scheme(f"w4a16_g{group}", weight, None, f"int4 weights in groups of {group}, 16-bit activations")


def _fp8(name: str, weight: str, activation: str, doc: str) -> Scheme:
    return Scheme(name, OperandScheme("fp8_e4m3", weight), OperandScheme("fp8_e4m3", activation), doc)


_INT8_TOKEN = OperandScheme("int8", "per_token")

SCHEMES: dict[str, Scheme] = {
    row.name: row
    for row in (
        Scheme("w8a8", OperandScheme("int8", "per_channel"), _INT8_TOKEN, "int8 weights and activations"),
        Scheme("w8a16", OperandScheme("int8", "per_channel"), None, "int8 weights, 16-bit activations"),
        *(_w4a16(group) for group in (128, 64, 32)),
        Scheme(
            "w4a8", OperandScheme("int4", "per_channel"), _INT8_TOKEN, "int4 weights, int8 activations, a scale a row"
        ),
        Scheme("w4a8_g128", OperandScheme("int4", "per_group:128"), _INT8_TOKEN, "int4 weights, int8 activations"),
        Scheme("w4a4", OperandScheme("int4", "per_channel"), OperandScheme("int4", "per_token"), "int4 both"),
        Scheme("w2a16_g64", OperandScheme("int2", "per_group:64", symmetric=False), None, "int2 weights"),
        _fp8("fp8_tensor", "per_tensor", "per_tensor", "FP8 E4M3, one scale a tensor"),
        _fp8("fp8_row", "per_channel", "per_token", "FP8 E4M3, one scale a row"),
        _fp8("fp8_block", "per_block:128x128", "per_group:128", "FP8 E4M3, blocks of 128"),
        _both("mxfp8", "OCP MXFP8 (E4M3)", OperandScheme("fp8_e4m3", "per_group:32", scale_format="e8m0")),
        _both("mxfp6", "OCP MXFP6 (E2M3)", OperandScheme("fp6_e2m3", "per_group:32", scale_format="e8m0")),
        _both("mxfp4", "OCP MXFP4", OperandScheme("fp4_e2m1", "per_group:32", scale_format="e8m0")),
        _both("mxint8", "OCP MXINT8", OperandScheme("int8", "per_group:32", scale_format="e8m0", narrow_range=True)),
        _both("nvfp4", "NVFP4: E4M3 block scales", OperandScheme("fp4_e2m1", "per_group:16", scale_format="e4m3")),
        Scheme("nf4_b64", OperandScheme("nf4", "per_group:64"), None, "QLoRA's NormalFloat 4 in blocks of 64"),
        Scheme("ternary", OperandScheme("ternary", "per_channel", calibration="mse"), None, "-1, 0, +1 weights"),
        Scheme("binary", OperandScheme("binary", "per_channel", calibration="mse"), None, "±1 weights"),
    )
}

_PRESET_OF: dict[tuple[OperandScheme | None, OperandScheme | None], str] = {}
for _row in SCHEMES.values():
    _PRESET_OF.setdefault((_row.weight, _row.activation), _row.name)


def preset(name: str) -> Scheme:
    """The preset row of that name; raises SchemeError with the nearest known name."""
    try:
        return SCHEMES[name]
    except KeyError:
        raise SchemeError(f"scheme: must be a known preset (got {name!r}); {did_you_mean(name, SCHEMES)}") from None


def preset_name(weight: OperandScheme | None, activation: OperandScheme | None) -> str | None:
    """The preset that these operands spell out, if any."""
    return _PRESET_OF.get((weight, activation))

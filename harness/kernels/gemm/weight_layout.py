"""Quantized weights as the weight-only products take them: codes in the order of tensor-core fragments, scales beside them.

Pure: what planning asks and what packing and the kernels agree on. Fragments are those of mma.sync m16n8k16 and of wgmma's left
operand in registers (PTX ISA, matrix fragments for mma.m16n8k16 with .f16 and .bf16; wgmma.mma_async, register fragments).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.kernels.common.supports import format_in, granularity_in, quantized, static, unquantized
from harness.kernels.spec import Request
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

SCALES = ("f32", "f16", "bf16", "e8m0", "e4m3")
"""Scale formats as ``SCALE`` of common/weight_codes.cuh counts them; e8m0_rceil is stored as e8m0."""
_SCALE_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "e8m0": 1, "e4m3": 1}
_FORMATS = ("int8", "uint8", "int4", "uint4", "int2", "uint2", "ternary", "binary", "nf4", "fp4_e2m1")
_KINDS = {"binary": 1, "nf4": 2, "fp4_e2m1": 3}
"""``KIND`` of common/weight_codes.cuh; integers: 0."""
_GROUPS = (16, 32, 64, 128)
ROUNDING = {"f16": 2.0**-11, "bf16": 2.0**-8}
"""Of one rounding to these types, relative."""


@dataclass(frozen=True)
class WeightLayout:
    """How a weight of ``scheme`` lies in tiles of ``rows`` rows by ``span`` of k. ``operands``: the type that its values are
    multiplied in, f16 or bf16."""

    scheme: OperandScheme
    operands: str
    rows: int
    span: int
    natural: bool = False
    """Whether fragments hold k in its own order (wgmma), not in one that lets a lane load eight neighbours for two products."""

    @property
    def bits(self) -> int:
        return self.scheme.element.bits

    @property
    def kind(self) -> int:
        return _KINDS.get(self.scheme.format, 0)

    @property
    def table(self) -> bool:
        """Whether values are looked up."""
        return self.kind == 2

    @property
    def table_bytes(self) -> int:
        """Of a copy of the values of every two codes for each bank of shared memory (common/weight_codes.cuh)."""
        return 256 * 128 if self.table else 0

    @property
    def lowest(self) -> int:
        """Taken from codes, so that they are stored unsigned."""
        if self.scheme.format == "ternary":
            return -1
        return self.scheme.element.limits()[0] if self.scheme.element.is_integer else 0

    @property
    def group(self) -> int:
        """k that shares a scale; 0: all of it."""
        return (self.scheme.blocks.cols or 0) if self.scheme.blocks.kind == "per_group" else 0

    @property
    def groups(self) -> int:
        """Scales or zero points of a row in a span, its part of a longer group's among them; 0: there are none there."""
        return max(1, self.span // self.group) if self.group else int(not self.scheme.symmetric)

    @property
    def scale_format(self) -> str:
        """As stored."""
        return "e8m0" if self.scheme.scales.power_of_two else self.scheme.scale_format

    @property
    def codes_bytes(self) -> int:
        """Of a tile's span."""
        return self.rows * self.span * self.bits // 8

    @property
    def record_bytes(self) -> int:
        """Scales and zero points of a tile's span."""
        scales = self.groups * self.rows * _SCALE_BYTES[self.scale_format] if self.group else 0
        return scales + (0 if self.scheme.symmetric else self.groups * self.rows)

    @property
    def tile_bytes(self) -> int:
        """Both."""
        return self.codes_bytes + self.record_bytes

    @property
    def weight_rounding(self) -> float:
        """Largest relative error of a value in the type it is multiplied in: only nf4's are rounded."""
        return ROUNDING[self.operands] if self.scheme.format == "nf4" else 0.0

    @property
    def macros(self) -> Mapping[str, int]:
        """Of common/weight_codes.cuh, and of common/weight_span.cuh."""
        return {
            "BITS": self.bits,
            "KIND": self.kind,
            "BF16": int(self.operands == "bf16"),
            "ASYMMETRIC": int(not self.scheme.symmetric),
            "ZERO": -self.lowest,
            "SCALE": SCALES.index(self.scale_format) if self.group else 0,
            "GROUP": self.group,
            "SPAN": self.span,
            "ROWS": self.rows,
        }


def operands_of(dtype: str) -> str:
    """The type that activations and weights are multiplied in, for values of ``dtype``: f32 ones are taken as f16."""
    return "f16" if dtype == "f32" else dtype


def output_macro(dtype: str) -> int:
    """``VALUE`` of common/values.cuh."""
    return tuple(VALUE_TYPES).index(dtype)


def takes_weight(request: Request) -> str | None:
    """Weights that can be laid out, activations as they are."""
    weight, missing = quantized(request, "weight")
    if reason := (
        missing
        or unquantized(request, "activation")
        or format_in(weight, _FORMATS, "weight")
        or granularity_in(weight, ("per_tensor", "per_channel", "per_token", "per_group"), "weight")
        or static(weight, "weight")
    ):
        return reason
    grouped = weight.blocks.kind == "per_group"
    if grouped and weight.blocks.cols not in _GROUPS:
        return f"takes groups of {', '.join(map(str, _GROUPS))}"
    return None

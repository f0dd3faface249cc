"""The pitfalls on the device: which requests they take, and how each is compiled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.device import Device
from harness.kernels.common.affine_program import THREADS, scale_macros
from harness.kernels.common.supports import format_in, granularity_in, quantized
from harness.kernels.spec import Request
from harness.kernels.specialisation import Specialisation
from harness.numerics.scheme import OperandScheme

FOLDER = "pitfalls"
_LIMIT = 2**32


@dataclass(frozen=True)
class Takes:
    """What a pitfall's small kernel takes: f32 values and scales, and these formats, granularities, symmetries and ranges."""

    formats: tuple[str, ...]
    granularities: tuple[str, ...] = ("per_tensor",)
    symmetric: tuple[bool, ...] = (True, False)
    range: str = "dynamic"

    def __call__(self, request: Request, device: Device) -> str | None:
        scheme, missing = quantized(request, "tensor")
        reason = (
            missing
            or format_in(scheme, self.formats, "tensor")
            or granularity_in(scheme, self.granularities, "tensor")
            or (None if scheme.range == self.range else f"takes a {self.range} range only")
            or (None if scheme.scale_format == "f32" else "takes scales of f32 only")
        )
        if reason:
            return reason
        if scheme.symmetric not in self.symmetric:
            return "takes schemes with a zero point only"
        if request["tensor"].dtype != "f32":
            return "takes tensors of f32 only"
        return None if math.prod(request["tensor"].shape) < _LIMIT else "takes fewer than 2^32 elements"


def specialisation(source: str, scheme: OperandScheme) -> Specialisation:
    """The compilation of ``source`` for f32 values and scales."""
    return Specialisation.of(
        f"{FOLDER}/{source}.cu",
        VALUE=0,
        LAYOUT=0,
        WIDTH=0,
        UNROLL=1,
        THREADS=THREADS,
        SCALE=0,
        ELEMENT=0,
        BITS=scheme.element.bits,
        ASYMMETRIC=int(not scheme.symmetric),
        SIGNED=0,
        **scale_macros(scheme),
    )

"""The affine CUDA kernels (quantize, dequantize, statistics): which requests they take, and how each is compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.device import Device
from harness.kernels.common.block_layout import KIND_NUMBERS, BlockLayout, block_layout
from harness.kernels.common.supports import format_in, quantized, static
from harness.kernels.spec import KernelSpec, Request
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

FORMATS = ("int8", "uint8", "int4", "uint4")
_VALUE_NUMBERS = {"f32": 0, "f16": 1, "bf16": 2}
_WIDTHS = {"f32": 4, "f16": 8, "bf16": 8}
"""Neighbours that a thread takes with one load of 16 bytes."""
THREADS = 256
_UNROLL = 2
"""Loads that a thread has in flight (the families' NOTES.md say what chose these)."""


@dataclass(frozen=True)
class AffineProgram:
    """How one tensor is walked through: ``width`` neighbours at a time (0: element by element, where blocks or rows end
    anywhere), ``unroll`` times a thread."""

    layout: BlockLayout
    width: int
    scheme: OperandScheme
    dtype: str
    unroll: int = _UNROLL

    @property
    def block_arguments(self) -> tuple[int, ...]:
        """What kernels are told about the blocks."""
        return self.layout.arguments(max(1, self.width))

    def specialisation(self, source: str, *, signed: bool) -> Specialisation:
        """``signed``: whether the source reads codes, and so has to know."""
        element = self.scheme.element
        more = {"SIGNED": int(element.signed)} if signed else {}
        return Specialisation.of(
            source,
            VALUE=_VALUE_NUMBERS[self.dtype],
            LAYOUT=KIND_NUMBERS[self.layout.kind],
            ASYMMETRIC=int(not self.scheme.symmetric),
            BITS=element.bits,
            WIDTH=self.width,
            UNROLL=self.unroll,
            THREADS=THREADS,
            **more,
        )


def affine_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> AffineProgram | None:
    """None where the blocks are laid out as no kernel walks."""
    layout = block_layout(tiling)
    if layout is None:
        return None
    width = _WIDTHS[dtype] if layout.vector_fits(_WIDTHS[dtype]) else 0
    return AffineProgram(layout, width, scheme, dtype)


def _program_of(request: Request) -> AffineProgram | None:
    plan = request["tensor"]
    assert plan.scheme is not None, "planned for a quantized tensor"
    return affine_program(plan.scheme, plan.scheme.blocks.tiling(plan.shape, plan.channel_axis), plan.dtype)


def specialise(source: str, *, signed: bool) -> Callable[[Request], Specialisation]:
    """The compilation that a request needs of ``source``."""

    def of(request: Request) -> Specialisation:
        program = _program_of(request)
        assert program is not None, "planned for a layout that kernels walk"
        return program.specialisation(source, signed=signed)

    return of


def affine(request: Request, device: Device) -> str | None:
    """What the affine kernels take."""
    scheme, missing = quantized(request, "tensor")
    reason = missing or format_in(scheme, FORMATS, "tensor") or static(scheme, "tensor")
    if reason is None and scheme.scale_format != "f32":
        return f"reads scales of f32, not {scheme.scale_format}"
    if reason is None and _program_of(request) is None:
        return "takes fewer than 2^32 elements, and blocks that three axes describe"
    return reason


def affine_spec(
    op: str, kind: str, source: str, doc: str, *, reads_codes: bool, max_registers: int, max_stack_bytes: int = 0
) -> KernelSpec:
    """The row of an op's affine kernel; ``kind`` is the class in the family's ``cuda.py``."""
    specialised = specialise(source, signed=reads_codes)
    cuda = CudaSource(source, specialised, max_registers, max_stack_bytes=max_stack_bytes)
    return KernelSpec(
        "affine", op, "cuda", "kernel", f"harness.kernels.{op}.cuda:{kind}", doc, supports=affine, cuda=cuda
    )

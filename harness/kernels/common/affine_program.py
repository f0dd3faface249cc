"""The affine CUDA kernels (quantize, dequantize, fake_quantize, statistics): which requests they take, and how each is compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.device import Device
from harness.kernels.common.block_layout import KIND_NUMBERS, BlockLayout, block_layout
from harness.kernels.common.supports import of_tensor, planned, quantized, static
from harness.kernels.spec import KernelSpec, Request
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.formats import ElementFormat
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

_VALUE_NUMBERS = {"f32": 0, "f16": 1, "bf16": 2}
_SCALE_NUMBERS = {"f32": 0, "f16": 1, "bf16": 2, "e8m0": 3, "e8m0_rceil": 3, "e4m3": 4}
"""Value of the macro SCALE, by scale format."""
PACKED_BITS = (1, 2, 4, 6, 8)
"""Widths of codes that ``common/codes.cuh`` packs."""
_WIDTHS = {"f32": 4, "f16": 8, "bf16": 8}
"""Neighbours that a thread takes with one load of 16 bytes."""
_LEAST_WIDTHS = {1: 16, 2: 8, 6: 16}
"""By bits of a code: neighbours of a thread that writes codes, so that they fill two bytes or more."""
THREADS = 256
_NOTHING = BlockLayout("one", (1, 1, 1), (1, 1, 1))
"""Stands for that of an empty tensor: no kernel walks it."""
NOT_WALKED = "takes fewer than 2^32 elements, and blocks that three axes describe"
"""Why there is no program."""


@dataclass(frozen=True)
class AffineProgram:
    """How one tensor is walked through: ``width`` neighbours at a time (0: element by element, where blocks or rows end
    anywhere), ``unroll`` times a thread."""

    layout: BlockLayout
    width: int
    scheme: OperandScheme
    dtype: str
    unroll: int = 1

    @property
    def block_arguments(self) -> tuple[int, ...]:
        """What kernels are told about the blocks."""
        return self.layout.arguments(max(1, self.width))

    def specialisation(self, source: str, *, signed: bool) -> Specialisation:
        """``signed``: whether the source reads codes, and so has to know."""
        return Specialisation.of(
            source,
            VALUE=_VALUE_NUMBERS[self.dtype],
            LAYOUT=KIND_NUMBERS[self.layout.kind],
            ASYMMETRIC=int(not self.scheme.symmetric),
            SCALE=_SCALE_NUMBERS[self.scheme.scale_format],
            WIDTH=self.width,
            UNROLL=self.unroll,
            THREADS=THREADS,
            **element_macros(self.scheme.element, signed=signed),
        )


def element_macros(element: ElementFormat, *, signed: bool) -> dict[str, int]:
    """What ``common/element.cuh`` and ``codes.cuh`` are told about a format. ``signed``: whether integer codes are read."""
    if element.kind == "binary":
        return {"ELEMENT": 1, "BITS": element.bits}
    if element.kind == "float":
        mantissa = element.bits - 1 - element.exponent_bits
        return {"ELEMENT": 2, "BITS": element.bits, "EXPONENT": element.exponent_bits, "MANTISSA": mantissa}
    if element.kind == "table":
        return {"ELEMENT": 3, "BITS": element.bits}
    return {"ELEMENT": 0, "BITS": element.bits, **({"SIGNED": int(element.signed)} if signed else {})}


def scale_macros(scheme: OperandScheme) -> dict[str, int]:
    """What ``common/make_scale.cuh`` is told besides."""
    return {
        "UNSIGNED": int(scheme.symmetric and not scheme.element.signed),
        "ROUND_UP": int(scheme.scale_format == "e8m0_rceil"),
    }


def affine_program(
    scheme: OperandScheme, tiling: Tiling, dtype: str, *, writes_codes: bool = False
) -> AffineProgram | None:
    """None where the blocks are laid out as no kernel walks. ``writes_codes``: whole bytes of them, a thread."""
    layout = block_layout(tiling) if math.prod(tiling.shape) else _NOTHING
    if layout is None:
        return None
    width, loads = _WIDTHS[dtype], _loads(scheme.element, dtype, writes_codes)
    if writes_codes:
        least = _LEAST_WIDTHS.get(scheme.element.bits, 0)
        width = next((wide for wide in (max(2 * width, least), max(width, least)) if layout.vector_fits(wide)), 0)
    elif not layout.vector_fits(width):
        width = 0
    return AffineProgram(layout, width, scheme, dtype, max(1, loads * _WIDTHS[dtype] // (width or 1)))


def _loads(element: ElementFormat, dtype: str, writes_codes: bool) -> int:
    """Of 16 bytes, that a thread has in flight (the families' NOTES.md say what chose them)."""
    if element.kind == "table":
        return 2  # each thread block sets up a table
    if not writes_codes:
        return 1
    return 4 if dtype != "f32" and element.bits < 8 else 2


def _program_of(request: Request, writes_codes: bool) -> AffineProgram | None:
    return affine_program(*of_tensor(request), writes_codes=writes_codes)


def specialise(source: str, *, signed: bool, writes_codes: bool = False) -> Callable[[Request], Specialisation]:
    """The compilation that a request needs of ``source``."""

    def of(request: Request) -> Specialisation:
        return planned(_program_of(request, writes_codes)).specialisation(source, signed=signed)

    return of


def affine(request: Request, device: Device) -> str | None:
    """What the affine kernels take."""
    scheme, missing = quantized(request, "tensor")
    reason = missing or static(scheme, "tensor")
    if reason is None and scheme.element.bits not in PACKED_BITS:
        return f"packs no codes of {scheme.element.bits} bits"
    if reason is None and _program_of(request, writes_codes=True) is None:
        return NOT_WALKED
    return reason


def affine_spec(
    op: str,
    kind: str,
    source: str,
    doc: str,
    *,
    max_registers: int,
    reads_codes: bool = False,
    writes_codes: bool = False,
    max_stack_bytes: int = 0,
) -> KernelSpec:
    """The row of an op's affine kernel; ``kind`` is the class in the family's ``cuda.py``."""
    specialised = specialise(source, signed=reads_codes, writes_codes=writes_codes)
    cuda = CudaSource(source, specialised, max_registers, max_stack_bytes=max_stack_bytes)
    return KernelSpec(
        "affine", op, "cuda", "kernel", f"harness.kernels.{op}.cuda:{kind}", doc, supports=affine, cuda=cuda
    )

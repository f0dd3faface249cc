"""The upper steps of the ladder of 8-bit products: mma.sync, then wgmma on int8 and fp8. What they take, and as what they are
compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.device import Device
from harness.kernels.common.supports import format_in, granularity_in, one_level, quantized, static
from harness.kernels.gemm.dynamic_rows import takes_dynamic_rows
from harness.kernels.spec import KernelSpec, Request, Supports, epilogue_of
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.epilogue import NOTHING, Epilogue
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

Kind = Literal["int", "fp8", "bits"]

MAX_ROWS = 2**31 - 256
"""Of either operand: coordinates of a box are signed words of 32 bits, and tiles may reach beyond the last row."""
_S8_SAFE_K = 2**31 // 2**14 - 1
"""Largest k for which sums of products of two signed bytes cannot overflow int32."""
_U8_SAFE_K = (2**31 - 1) // (255 * 128)
"""The same where the activation's codes less their zero points reach 255."""
_FP8 = ("fp8_e4m3", "fp8_e5m2")
_ROWS_OF_WEIGHT, _ROWS_OF_ACTIVATION = ("per_tensor", "per_channel", "per_token"), ("per_tensor", "per_token")
_BLOCKS = ("per_block:128x128", "per_group:128")
_HOPPER = ("sm_90a",)
ALIGNMENT_BYTES = 1024
"""Of tiles with the 128-byte swizzle; dynamic shared memory may begin anywhere."""
BARRIER_BYTES = 16
"""Two mbarriers a stage of a ring."""
SHARED_BYTES = 226 << 10
"""What a block may have on compute capability 9.0, less what it has outside of the ring."""
_RING_BYTES = {8: 88 << 10, 16: 96 << 10, 32: 112 << 10, 64: 128 << 10}


def ring_bytes(tokens: int, room: int) -> int:
    """Of a ring where tiles of the weight come with so many tokens. What is under way needs to hide what memory takes; more of it
    stands before the answers that blocks wait for who share a tile (``NOTES.md``)."""
    return min(room, _RING_BYTES.get(tokens, room))


@dataclass(frozen=True)
class Step:
    """One step: its source, its kind of codes, and the constants that it is compiled with (chosen in ``NOTES.md``)."""

    source: str
    kind: Kind
    constants: Mapping[str, int]

    def specialise(
        self, activation: OperandScheme, weight: OperandScheme, dtype: str, epilogue: Epilogue = NOTHING
    ) -> Specialisation:
        """The compilation for these schemes and this output."""
        of_codes: Mapping[str, int] = {
            "bits": {},
            "int": {
                "A_UNSIGNED": int(activation.format == "uint8"),
                "ZERO_POINTS": int(not activation.symmetric),
            },
            "fp8": {
                "A_E5M2": int(activation.format == "fp8_e5m2"),
                "B_E5M2": int(weight.format == "fp8_e5m2"),
                "BLOCK_SCALES": int(has_blocks(activation)),
            },
        }[self.kind]
        of_output = {"VALUE": tuple(VALUE_TYPES).index(dtype), **epilogue_macros(epilogue)}
        return Specialisation.of(self.source, **of_output, **of_codes, **self.constants)

    def of_request(self, request: Request) -> Specialisation:
        activation, weight = request["activation"], request["weight"]
        assert activation.scheme is not None, "planned for a quantized activation"
        assert weight.scheme is not None, "planned for a quantized weight"
        return self.specialise(activation.scheme, weight.scheme, activation.dtype, epilogue_of(request))


MMA_S8 = Step("gemm/mma_s8.cu", "int", {"STAGES": 4, "DEPTH": 64, "RASTER_ROWS": 2048})
MMA_B1 = Step("gemm/mma_b1.cu", "bits", MMA_S8.constants)
_WIDE = {"TILE_N": 256, "BLOCKS": 1, "STAGES": 4, "RASTER_ROWS": 2048}
_TALL = {**_WIDE, "TILE_N": 128, "BLOCKS": 2}
"""Registers for sums in f32 beside those of the unit are there for 128 columns."""
WGMMA_S8 = Step("gemm/wgmma_s8.cu", "int", _WIDE)
FP8_PROMOTED = Step("gemm/wgmma_fp8.cu", "fp8", {**_TALL, "PROMOTED": 1})
FP8_FAST = Step("gemm/wgmma_fp8.cu", "fp8", {**_WIDE, "PROMOTED": 0})


def epilogue_macros(epilogue: Epilogue) -> dict[str, int]:
    """How ``common/following.cuh`` is compiled; without macros nothing follows."""
    if epilogue == NOTHING:
        return {}
    return {"BIAS": int(epilogue.bias), "FUNCTION": epilogue.number, "OUTPUT_S8": int(epilogue.output == "int8")}


def has_blocks(activation: OperandScheme) -> bool:
    """Whether scales are those of blocks of 128 along k."""
    return activation.granularity == _BLOCKS[1]


def _takes(request: Request, weights: tuple[str, ...], activations: tuple[str, ...]) -> str | None:
    """Formats, ranges and the number of rows."""
    for role, formats in (("weight", weights), ("activation", activations)):
        scheme, missing = quantized(request, role)
        if reason := missing or format_in(scheme, formats, role) or one_level(scheme):
            return reason
    if reason := static(quantized(request, "weight")[0], "weight"):
        return reason
    if quantized(request, "activation")[0].range == "dynamic":
        bytes_ = tuple(each for each in activations if each in ("int8", *_FP8))
        if reason := takes_dynamic_rows(request, bytes_):
            return reason
    rows = max(request["activation"].shape[0], request["weight"].shape[0])
    return f"takes m and n up to {MAX_ROWS}" if rows > MAX_ROWS else None


def _takes_rows(request: Request) -> str | None:
    """One scale, or one a row."""
    weight, activation = quantized(request, "weight")[0], quantized(request, "activation")[0]
    return granularity_in(weight, _ROWS_OF_WEIGHT, "weight") or granularity_in(
        activation, _ROWS_OF_ACTIVATION, "activation"
    )


def takes_integers(weights: str, activations: tuple[str, ...]) -> Supports:
    """Weights of one format without zero points; activations of these, with or without."""

    def supports(request: Request, device: Device) -> str | None:
        reason = _takes(request, (weights,), activations) or _takes_rows(request)
        if reason:
            return reason
        weight, activation = quantized(request, "weight")[0], quantized(request, "activation")[0]
        if not weight.symmetric:
            return "takes no zero point of the weight"
        narrow = activation.element.signed and activation.symmetric
        limit = _S8_SAFE_K if narrow else _U8_SAFE_K
        return f"int32 sums hold k up to {limit}" if request["activation"].shape[1] > limit else None

    return supports


takes_bytes = takes_integers("int8", ("int8", "uint8"))
"""int8 weights; int8 or uint8 activations."""


def takes_fp8_rows(request: Request, device: Device) -> str | None:
    """fp8 operands with one scale or one a row."""
    return _takes(request, _FP8, _FP8) or _takes_rows(request)


def takes_fp8(request: Request, device: Device) -> str | None:
    """The same, and scales of blocks of 128 of both."""
    if reason := _takes(request, _FP8, _FP8):
        return reason
    found = tuple(quantized(request, role)[0].granularity for role in ("weight", "activation"))
    if found == _BLOCKS:
        return None
    if set(found) & set(_BLOCKS):
        return f"takes block scales as {_BLOCKS[0]} of the weight with {_BLOCKS[1]} of the activation"
    return _takes_rows(request)


_LOSS = (
    "sums of 32 products in the tensor cores keep 14 bits below the largest term: a term may lose 2^-13 of it "
    "(arXiv 2412.19437, section 3.5.2), {}"
)

ROWS = (
    KernelSpec(
        "mma_s8",
        "gemm",
        "cuda",
        "kernel",
        "harness.kernels.gemm.tensor_core:MmaS8",
        "int8 tensor-core product by mma.sync m16n8k32, cp.async in stages",
        supports=takes_bytes,
        cuda=CudaSource(MMA_S8.source, MMA_S8.of_request, 224),
        arithmetic="int8",
        epilogue=True,
    ),
    KernelSpec(
        "mma_b1",
        "gemm",
        "cuda",
        "kernel",
        "harness.kernels.gemm.tensor_core:MmaB1",
        "bits of both operands by mma.sync m16n8k256: AND, and the count of ones",
        supports=takes_integers("binary", ("binary",)),
        cuda=CudaSource(MMA_B1.source, MMA_B1.of_request, 224),
        arithmetic="b1",
        epilogue=True,
    ),
    KernelSpec(
        "wgmma_s8",
        "gemm",
        "cuda",
        "kernel",
        "harness.kernels.gemm.tensor_core:WgmmaS8",
        "int8 tensor-core product by wgmma, fed by TMA",
        supports=takes_bytes,
        cuda=CudaSource(WGMMA_S8.source, WGMMA_S8.of_request, 168, only=_HOPPER),
        arithmetic="int8",
        epilogue=True,
    ),
    KernelSpec(
        "wgmma_fp8",
        "gemm",
        "cuda",
        "kernel",
        "harness.kernels.gemm.tensor_core:WgmmaFp8",
        "fp8 tensor-core product by wgmma, fed by TMA, sums promoted to f32 every 128 of k",
        supports=takes_fp8,
        definition=_LOSS.format("within 128 of k; sums of those are f32"),
        cuda=CudaSource(FP8_PROMOTED.source, FP8_PROMOTED.of_request, 168, only=_HOPPER),
        arithmetic="fp8",
        epilogue=True,
    ),
    KernelSpec(
        "wgmma_fp8_fast_accum",
        "gemm",
        "cuda",
        "kernel",
        "harness.kernels.gemm.tensor_core:WgmmaFp8FastAccum",
        "fp8 tensor-core product by wgmma, fed by TMA, all sums in the tensor cores",
        supports=takes_fp8_rows,
        definition=_LOSS.format("all along k"),
        cuda=CudaSource(FP8_FAST.source, FP8_FAST.of_request, 168, only=_HOPPER),
        arithmetic="fp8",
        epilogue=True,
    ),
)

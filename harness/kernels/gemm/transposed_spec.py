"""The products whose first operand is the weight (wgmma_transposed.cu): what they take, and as what they are compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.backends.cuda.tensor_map import LINE_BYTES
from harness.device import Device
from harness.kernels.common.supports import quantized
from harness.kernels.gemm.ladder import (
    ALIGNMENT_BYTES,
    BARRIER_BYTES,
    SHARED_BYTES,
    epilogue_macros,
    ring_bytes,
    takes_integers,
)
from harness.kernels.gemm.prepared import whole
from harness.kernels.spec import KernelSpec, Request, Supports, epilogue_of
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.epilogue import Epilogue
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

SOURCE = "gemm/wgmma_transposed.cu"
TILE_ROWS = 128
"""Of the weight."""
TURN_BYTES = 4 * 32 * 128
"""What outputs are turned over in: of two warpgroups twice 32 tokens of 64 columns of 16 bits."""
_TOKENS = (8, 16, 32, 64, 128, 256)
_HOPPER = ("sm_90a",)


@dataclass(frozen=True)
class Kind:
    """How the weight lies in memory: ``packed`` two codes a byte, ``grouped`` with a scale a row and line of k."""

    packed: bool = False
    grouped: bool = False

    @classmethod
    def of(cls, weight: OperandScheme) -> Kind:
        return cls(weight.format == "int4", weight.blocks.kind == "per_group")

    def stage_bytes(self, tokens: int) -> int:
        """What a stage has room for of both tiles, whole atoms of the swizzle of the weight's."""
        codes, scales = TILE_ROWS * LINE_BYTES // (2 if self.packed else 1), TILE_ROWS * 4 if self.grouped else 0
        return codes + whole(scales, ALIGNMENT_BYTES) + tokens * LINE_BYTES

    def ring(self, tokens: int) -> dict[str, int]:
        """Tiles of so many tokens, and the stages of the ring."""
        stage = self.stage_bytes(tokens) + BARRIER_BYTES
        room = SHARED_BYTES - ALIGNMENT_BYTES - TURN_BYTES
        return {"TILE_T": tokens, "STAGES": ring_bytes(tokens, room) // stage}

    def constants(self, m: int) -> dict[str, int]:
        """Macros for m tokens."""
        sizes = _TOKENS[:-1] if self.grouped else _TOKENS
        tokens = next((each for each in sizes if m <= each), sizes[-1])
        return {
            "PACKED": int(self.packed),
            "GROUPED": int(self.grouped),
            **self.ring(tokens),
            "RASTER_ROWS": 2048,
        }


def specialise(
    activation: OperandScheme,
    dtype: str,
    epilogue: Epilogue,
    macros: Mapping[str, int],
) -> Specialisation:
    """The compilation for an activation of this scheme and an output of this type."""
    of_codes = {
        "ZERO_POINTS": int(not activation.symmetric),
        "B_UNSIGNED": int(activation.format == "uint8"),
        "B_PACKED": int(activation.format == "int4"),
    }
    return Specialisation.of(
        SOURCE,
        VALUE=tuple(VALUE_TYPES).index(dtype),
        **({"BINARY": 1} if activation.format == "binary" else {"BINARY": 0, **of_codes}),
        **epilogue_macros(epilogue),
        **macros,
    )


def of_request(request: Request) -> Specialisation:
    """The compilation that a request needs."""
    activation, weight = request["activation"], request["weight"]
    assert activation.scheme is not None, "planned for a quantized activation"
    assert weight.scheme is not None, "planned for a quantized weight"
    macros = Kind.of(weight.scheme).constants(activation.shape[0])
    return specialise(activation.scheme, activation.dtype, epilogue_of(request), macros)


_GROUPS = "per_group:128"
_BYTES = ("int8", "uint8")


def takes_groups(request: Request, device: Device) -> str | None:
    """int4 weights with a scale a row, or a row and 128 of k; int8 or uint8 activations, in groups without zero points."""
    weight, _ = quantized(request, "weight")
    if weight.granularity != _GROUPS:
        if weight.blocks.kind == "per_group":
            return "takes groups of 128"
        return takes_integers("int4", _BYTES)(request, device)
    rows = {**request, "weight": replace(request["weight"], scheme=replace(weight, granularity="per_channel"))}
    if reason := takes_integers("int4", ("int8",))(rows, device):
        return reason
    return (
        None if quantized(request, "activation")[0].symmetric else "takes no zero point of the activation with groups"
    )


def _row(
    name: str,
    entry: str,
    doc: str,
    supports: Supports,
    arithmetic: str = "int8",
) -> KernelSpec:
    return KernelSpec(
        name,
        "gemm",
        "cuda",
        "kernel",
        f"harness.kernels.gemm.transposed:{entry}",
        doc,
        supports=supports,
        cuda=CudaSource(SOURCE, of_request, 168, only=_HOPPER),
        arithmetic=arithmetic,
        epilogue=True,
    )


TRANSPOSED = (
    _row(
        "wgmma_s8_transposed",
        "WgmmaS8Transposed",
        "int8 tensor-core product by wgmma, the weight's rows first: for few tokens",
        takes_integers("int8", _BYTES),
    ),
    _row(
        "wgmma_w4a8",
        "WgmmaW4A8",
        "packed int4 weights, int8 activations: int8 tensor-core product by wgmma, weights unpacked in registers",
        takes_groups,
    ),
    _row(
        "wgmma_w4a4",
        "WgmmaW4A4",
        "packed int4 operands on the int8 tensor cores by wgmma: weights unpacked in registers, activations before",
        takes_integers("int4", ("int4",)),
    ),
    _row(
        "wgmma_b1",
        "WgmmaB1",
        "bits of both operands by wgmma: AND, and the count of ones",
        takes_integers("binary", ("binary",)),
        arithmetic="b1",
    ),
)

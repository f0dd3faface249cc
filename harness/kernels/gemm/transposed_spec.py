"""The products whose first operand is the weight (wgmma_transposed.cu): what they take, and as what they are compiled."""

from __future__ import annotations

from collections.abc import Mapping

from harness.backends.cuda.tensor_map import LINE_BYTES
from harness.kernels.gemm.ladder import ALIGNMENT_BYTES, BARRIER_BYTES, epilogue_macros, takes_integers
from harness.kernels.spec import KernelSpec, Request, epilogue_of
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.epilogue import Epilogue
from harness.numerics.scheme import OperandScheme
from harness.numerics.value_types import VALUE_TYPES

SOURCE = "gemm/wgmma_transposed.cu"
TILE_ROWS = 128
"""Of the weight."""
SHARED_BYTES = 226 << 10
"""What a block may have on compute capability 9.0, less what it has outside of the ring."""
_MOST_STAGES = 12
_TOKENS = (8, 16, 32, 64, 128, 256)
_FEW_TILES = 1024
"""Fewer are shared out line by line: with 132 blocks of a H200 the last round of eight is a tenth of the time at most."""
_HOPPER = ("sm_90a",)


def constants(m: int, n: int, *, packed: bool) -> dict[str, int]:
    """Macros for m tokens and n rows of the weight."""
    tokens = next((each for each in _TOKENS if m <= each), _TOKENS[-1])
    tiles = -(-n // TILE_ROWS) * -(-m // tokens)
    return {"PACKED": int(packed), **ring(tokens, packed=packed), "SPLIT": int(tiles < _FEW_TILES), "RASTER_ROWS": 2048}


def ring(tokens: int, *, packed: bool) -> dict[str, int]:
    """Tiles of so many tokens, and the stages that there is room for."""
    stages = (SHARED_BYTES - ALIGNMENT_BYTES) // (stage_bytes(tokens, packed=packed) + BARRIER_BYTES)
    return {"TILE_T": tokens, "STAGES": min(_MOST_STAGES, stages)}


def stage_bytes(tokens: int, *, packed: bool) -> int:
    """A line of k of both operands' tiles."""
    return tokens * LINE_BYTES + TILE_ROWS * LINE_BYTES // (2 if packed else 1)


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
        **({"BITS": 1} if activation.format == "binary" else {"BITS": 0, **of_codes}),
        **epilogue_macros(epilogue),
        **macros,
    )


def of_request(request: Request) -> Specialisation:
    """The compilation that a request needs."""
    activation, weight = request["activation"], request["weight"]
    assert activation.scheme is not None, "planned for a quantized activation"
    assert weight.scheme is not None, "planned for a quantized weight"
    macros = constants(activation.shape[0], weight.shape[0], packed=weight.scheme.format == "int4")
    return specialise(activation.scheme, activation.dtype, epilogue_of(request), macros)


def _row(
    name: str, weight: str, activations: tuple[str, ...], entry: str, doc: str, arithmetic: str = "int8"
) -> KernelSpec:
    return KernelSpec(
        name,
        "gemm",
        "cuda",
        "kernel",
        f"harness.kernels.gemm.transposed:{entry}",
        doc,
        supports=takes_integers(weight, activations),
        cuda=CudaSource(SOURCE, of_request, 168, only=_HOPPER),
        arithmetic=arithmetic,
        epilogue=True,
    )


_BYTES = ("int8", "uint8")
TRANSPOSED = (
    _row(
        "wgmma_s8_transposed",
        "int8",
        _BYTES,
        "WgmmaS8Transposed",
        "int8 tensor-core product by wgmma, the weight's rows first: for few tokens",
    ),
    _row(
        "wgmma_w4a8",
        "int4",
        _BYTES,
        "WgmmaW4A8",
        "packed int4 weights, int8 activations: int8 tensor-core product by wgmma, weights unpacked in registers",
    ),
    _row(
        "wgmma_w4a4",
        "int4",
        ("int4",),
        "WgmmaW4A4",
        "packed int4 operands on the int8 tensor cores by wgmma: weights unpacked in registers, activations before",
    ),
    _row(
        "wgmma_b1",
        "binary",
        ("binary",),
        "WgmmaB1",
        "bits of both operands by wgmma: AND, and the count of ones",
        arithmetic="b1",
    ),
)

"""weight_only_wgmma.cu: which requests it takes, and as what it is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.device import Device
from harness.kernels.gemm.ladder import (
    ALIGNMENT_BYTES,
    BARRIER_BYTES,
    MAX_ROWS,
    SHARED_BYTES,
    epilogue_macros,
    ring_bytes,
)
from harness.kernels.gemm.prepared import whole
from harness.kernels.gemm.weight_layout import ROUNDING, WeightLayout, operands_of, output_macro, takes_weight
from harness.kernels.spec import KernelSpec, Request, epilogue_of
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.epilogue import NOTHING, Epilogue
from harness.numerics.scheme import OperandScheme

SOURCE = "gemm/weight_only_wgmma.cu"
_TOKENS = (8, 16, 32, 64, 128, 256)
_GROUPED_TOKENS = 128
"""Above these there are no registers for sums of groups beside those of all k: bf16 weights are scaled before they are multiplied (of
f16 small scales would be lost). Spans are short, as a ring of three of 256 tokens must fit."""
_FEW_TOKENS = 32
"""Up to these sums are few enough for the registers of four warpgroups that multiply; else there are two."""
_LEAST_STAGES = 3
_TURNED_LINE = 128
"""Bytes: 64 outputs of 16 bits of a token (``common/transposed_tail.cuh``)."""
_HOPPER = ("sm_90a",)


@dataclass(frozen=True)
class WgmmaPlan:
    """A compilation: the layout of the weight, tokens a tile, and spans of k that are under way."""

    layout: WeightLayout
    tokens: int
    stages: int

    @property
    def scaled(self) -> bool:
        """Whether scales of groups are multiplied into the weights."""
        return self.tokens > _GROUPED_TOKENS and self.layout.group > 0

    @property
    def weight_rounding(self) -> float:
        """Largest relative error of a weight as it is multiplied."""
        of_scales = 2 * ROUNDING["bf16"] + ROUNDING["bf16"] ** 2 if self.scaled else 0.0
        return self.layout.weight_rounding + of_scales

    @property
    def threads(self) -> int:
        """A warpgroup for each 64 rows, and one that fetches."""
        return 2 * self.layout.rows + 128

    @property
    def shared_bytes(self) -> int:
        """Of a block."""
        return _outside(self.layout, self.tokens) + self.stages * _stage_bytes(self.layout, self.tokens)

    def tiles(self, m: int, n: int) -> int:
        return -(-n // self.layout.rows) * -(-m // self.tokens)

    def specialise(
        self, dtype: str, epilogue: Epilogue = NOTHING, macros: Mapping[str, int] | None = None
    ) -> Specialisation:
        """For outputs of ``dtype`` that this follows."""
        own = {"TILE_T": self.tokens, "STAGES": self.stages, "RASTER_ROWS": 2048, "VALUE": output_macro(dtype)}
        scaled = {"SCALED": 1} if self.scaled else {}
        more = {**scaled, **epilogue_macros(epilogue), **(macros or {})}
        return Specialisation.of(SOURCE, **{**self.layout.macros, **own, **more})


def _outside(layout: WeightLayout, tokens: int) -> int:
    """What is no stage: room to align the ring, what each warpgroup turns outputs over in, the table of values."""
    turns = layout.rows // 64 * 2 * min(tokens, 32) * _TURNED_LINE
    return ALIGNMENT_BYTES + turns + layout.table_bytes


def _stage_bytes(layout: WeightLayout, tokens: int) -> int:
    """Both operands' tiles of a span of k, and the barriers."""
    tiles = tokens * layout.span * 2 + layout.tile_bytes
    return whole(tiles, ALIGNMENT_BYTES) + BARRIER_BYTES


def wgmma_plan(weight: OperandScheme, dtype: str, m: int, tokens: int | None = None) -> WgmmaPlan:
    """For m tokens; ``tokens`` a tile, where those are not the fewest that hold them. Fewer where a ring would not fit."""
    tokens = tokens or next((each for each in _TOKENS if m <= each), _TOKENS[-1])
    rows, span = 256 if tokens <= _FEW_TOKENS else 128, 256 if weight.element.bits == 1 else 128
    if tokens > _GROUPED_TOKENS:
        span = 64
    layout = WeightLayout(weight, operands_of(dtype), rows, span, natural=True)
    if tokens > _GROUPED_TOKENS and (layout.bits < 4 or (layout.group and layout.operands != "bf16")):
        return wgmma_plan(weight, dtype, m, _GROUPED_TOKENS)
    room, stage = SHARED_BYTES - _outside(layout, tokens), _stage_bytes(layout, tokens)
    if room // stage < _LEAST_STAGES:
        return wgmma_plan(weight, dtype, m, tokens // 2)
    return WgmmaPlan(layout, tokens, max(_LEAST_STAGES, ring_bytes(tokens, room) // stage))


def takes(request: Request, device: Device) -> str | None:
    """Any number of tokens."""
    rows = max(request["activation"].shape[0], request["weight"].shape[0])
    return takes_weight(request) or (f"takes m and n up to {MAX_ROWS}" if rows > MAX_ROWS else None)


def of_request(request: Request) -> Specialisation:
    weight, activation = request["weight"].scheme, request["activation"]
    assert weight is not None, "planned for a quantized weight"
    return wgmma_plan(weight, activation.dtype, activation.shape[0]).specialise(activation.dtype, epilogue_of(request))


WEIGHT_WGMMA = KernelSpec(
    "weight_only_wgmma",
    "gemm",
    "cuda",
    "kernel",
    "harness.kernels.gemm.weight_only:WeightOnlyWgmma",
    "16-bit activations (f32 ones taken as f16) times weights of 1 to 8 bits by wgmma, weights unpacked in registers",
    supports=takes,
    definition="values of nf4 are rounded to the activations' 16-bit type; all others are exact there, and sums are f32; "
    "for more than 128 tokens of bf16 scales of groups are multiplied into the weights, in bf16",
    cuda=CudaSource(SOURCE, of_request, 168, max_stack_bytes=8, only=_HOPPER),
    arithmetic="f16",
    epilogue=True,
)

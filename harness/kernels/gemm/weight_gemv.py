"""weight_only_gemv.cu: which requests it takes, how it is compiled, and how it is launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.device import Device
from harness.kernels.gemm.ladder import BARRIER_BYTES
from harness.kernels.gemm.prepared import whole
from harness.kernels.gemm.weight_layout import WeightLayout, operands_of, output_macro, takes_weight
from harness.kernels.spec import KernelSpec, Request
from harness.kernels.specialisation import CudaSource, Specialisation, capability_of
from harness.numerics.scheme import OperandScheme

SOURCE = "gemm/weight_only_gemv.cu"
MOST_TOKENS = 8
"""Columns of one mma.sync."""
WARPS = 16
_X_PADDING, _SUMS_PADDING = 32, 4
_SHARED_BYTES = {(12, 0): 99, (12, 1): 99}
"""KiB that a block may have (CUDA C++ Programming Guide, technical specifications); others: 227."""
_SHAPES = {8: ((2, 128), (1, 128)), 4: ((2, 128), (1, 128)), 2: ((2, 128), (1, 128)), 1: ((2, 256), (1, 256))}
"""Bits of a code → (tiles of 16 rows, span of k) that a warp takes at a time, the best first."""
_STAGES = (5, 4, 3, 2)
_RING_BYTES = 112 << 10
"""More stages than this holds (but two) are no faster (``NOTES.md``)."""


@dataclass(frozen=True)
class GemvPlan:
    """A compilation: the layout of the weight, and how many spans each warp has under way."""

    layout: WeightLayout
    stages: int
    warps: int = WARPS

    @property
    def ring_bytes(self) -> int:
        return self.warps * self.stages * self.layout.tile_bytes

    def shared_bytes(self, m: int, k: int) -> int:
        """Of a block: table, ring, partial sums and activations."""
        layout, width = self.layout, whole(k, self.layout.span)
        barriers = (self.stages + 1) * BARRIER_BYTES
        sums = 2 * self.warps * m * (layout.rows + _SUMS_PADDING) * 4
        return layout.table_bytes + self.ring_bytes + barriers + sums + m * (width + _X_PADDING) * 2

    def specialise(self, dtype: str, macros: Mapping[str, int] | None = None) -> Specialisation:
        """For outputs of ``dtype``."""
        own = {
            "WARPS": self.warps,
            "STAGES": self.stages,
            "VALUE": output_macro(dtype),
        }
        return Specialisation.of(SOURCE, **{**self.layout.macros, **own, **(macros or {})})


def gemv_plan(weight: OperandScheme, dtype: str, m: int, k: int, limit: int) -> GemvPlan | None:
    """The best that fits ``limit`` bytes of shared memory a block; None: nothing does."""
    for row_tiles, span in _SHAPES[weight.element.bits]:
        layout = WeightLayout(weight, operands_of(dtype), 16 * row_tiles, span)
        for stages in _STAGES:
            plan = GemvPlan(layout, stages)
            enough = stages == _STAGES[-1] or plan.ring_bytes <= _RING_BYTES
            if enough and plan.shared_bytes(m, k) <= limit:
                return plan
    return None


def shared_limit(architecture: str) -> int:
    """Bytes of shared memory that a block may have."""
    return _SHARED_BYTES.get(capability_of(architecture), 227) << 10


def takes(request: Request, device: Device) -> str | None:
    """Up to eight rows of activations that fit shared memory."""
    if reason := takes_weight(request):
        return reason
    weight, activation = request["weight"], request["activation"]
    m, k = activation.shape
    if m > MOST_TOKENS:
        return f"takes m up to {MOST_TOKENS}"
    assert weight.scheme is not None, "planned for a quantized weight"
    limit = shared_limit(device.architecture)
    if gemv_plan(weight.scheme, activation.dtype, m, k, limit) is None:
        return f"takes activations that fit {limit >> 10} KiB of shared memory beside the weights"
    return None


def of_request(request: Request) -> Specialisation:
    """As the devices with most shared memory take it; those with less may compile another one."""
    weight, activation = request["weight"].scheme, request["activation"]
    assert weight is not None, "planned for a quantized weight"
    m, k = activation.shape
    plan = gemv_plan(weight, activation.dtype, m, k, shared_limit("sm_90a"))
    assert plan is not None, "planned for what fits"
    return plan.specialise(activation.dtype)


WEIGHT_GEMV = KernelSpec(
    "weight_only_gemv",
    "gemm",
    "cuda",
    "kernel",
    "harness.kernels.gemm.weight_only:WeightOnlyGemv",
    "16-bit activations (f32 ones taken as f16) times weights of 1 to 8 bits, up to eight rows, by mma.sync",
    supports=takes,
    definition="values of nf4 are rounded to the activations' 16-bit type; all others are exact there, and sums are f32",
    cuda=CudaSource(SOURCE, of_request, 112, capability=(9, 0)),
    arithmetic="f16",
)

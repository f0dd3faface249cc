"""weight_bit_planes.cu: which requests it takes, how weights lie, and how it is compiled and launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backends.cuda.kernel import Arrays, CudaKernel, Output
from harness.device import Device
from harness.kernels.gemm.oracle import GemmProblem, Product
from harness.kernels.gemm.prepared import for_columns, whole
from harness.kernels.gemm.weight_gemv import WARPS, shared_limit
from harness.kernels.gemm.weight_layout import operands_of, output_macro, takes_weight
from harness.kernels.spec import KernelSpec, Request
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.quantize import Quantized
from harness.numerics.value_types import value_type

SOURCE = "gemm/weight_bit_planes.cu"
SPAN = 256
"""k of one product of bits."""
ACTIVATION_ROUNDING = 2.0**-31
"""Largest error of an activation, as a part of its row's largest."""
_FORMATS = {"binary": 1, "ternary": 2, "int2": 2}
"""Planes of bits of a code."""
_PLANES_OF_TOKENS = 4
"""Tokens times planes that there are registers for."""
_MOST_K = 65536
"""A warp's counts of it fit 32 bits when they are added up."""
_RING_BYTES = 96 << 10


@dataclass(frozen=True)
class PlanesPlan:
    """A compilation: planes of a code, tokens, rows of the weight at a time, spans that each warp has under way."""

    bits: int
    tokens: int
    stages: int

    @property
    def rows(self) -> int:
        """Fewer where counts of more would not fit registers."""
        return 32 if self.bits * self.tokens <= 2 else 16

    @property
    def span_bytes(self) -> int:
        return self.rows * SPAN * self.bits // 8

    def shared_bytes(self, k: int) -> int:
        """Of a block: ring, barriers, partial sums, planes of the activations."""
        ring, barriers = self.stages * WARPS * self.span_bytes, (self.stages + 1) * 16
        return ring + barriers + 2 * WARPS * self.tokens * self.rows * 8 + self.tokens * whole(k, SPAN) * 4

    def specialise(self, dtype: str, macros: Mapping[str, int] | None = None) -> Specialisation:
        """For outputs of ``dtype``."""
        own = {
            "BITS": self.bits,
            "TOKENS": self.tokens,
            "ROWS": self.rows,
            "WARPS": WARPS,
            "STAGES": self.stages,
            "BF16": int(operands_of(dtype) == "bf16"),
            "VALUE": output_macro(dtype),
        }
        return Specialisation.of(SOURCE, **{**own, **(macros or {})})


def planes_plan(format_: str, m: int, k: int, limit: int) -> PlanesPlan | None:
    """The one with most stages that fits ``limit`` bytes of shared memory a block; None: nothing does."""
    bits = _FORMATS[format_]
    plans = (PlanesPlan(bits, m, stages) for stages in (6, 5, 4, 3, 2))
    fitting = (plan for plan in plans if plan.shared_bytes(k) <= limit)
    return next((plan for plan in fitting if plan.stages * WARPS * plan.span_bytes <= _RING_BYTES), None)


def takes(request: Request, device: Device) -> str | None:
    """One or two bits with a scale a row at most, few tokens."""
    if reason := takes_weight(request):
        return reason
    weight, (m, k) = request["weight"].scheme, request["activation"].shape
    assert weight is not None, "planned for a quantized weight"
    if weight.format not in _FORMATS:
        return f"takes weights of {', '.join(_FORMATS)}"
    if weight.blocks.kind == "per_group":
        return "takes one scale a row of the weight"
    if not weight.symmetric:
        return "takes no zero point of the weight"
    if m > _PLANES_OF_TOKENS // _FORMATS[weight.format]:
        return f"takes m up to {_PLANES_OF_TOKENS // _FORMATS[weight.format]} with {weight.format}"
    limit = shared_limit(device.architecture)
    if k > _MOST_K or planes_plan(weight.format, m, k, limit) is None:
        return f"takes k up to {_MOST_K}, where activations fit {limit >> 10} KiB of shared memory beside the weights"
    return None


def of_request(request: Request) -> Specialisation:
    """As the devices with most shared memory take it; those with less may compile another one."""
    weight, activation = request["weight"].scheme, request["activation"]
    assert weight is not None, "planned for a quantized weight"
    m, k = activation.shape
    plan = planes_plan(weight.format, m, k, shared_limit("sm_90a"))
    assert plan is not None, "planned for what fits"
    return plan.specialise(activation.dtype)


def packed_planes(weight: Quantized, rows: int) -> NDArray[np.uint8]:
    """Codes [n, k] as planes of bits in the order of fragments of mma.m16n8k256: bytes [tiles, spans, bytes of a span].

    Of every sixteen rows and plane a lane has four words of 32 neighbours along k: of row lane / 4, of the row 8 below it, then of
    both 128 further along k; the words lane % 4 of these.
    """
    n, k = weight.codes.shape
    bits = _FORMATS[weight.scheme.format]
    codes = (weight.codes > 0 if bits == 1 else weight.codes.view(np.uint8) & 3).astype(np.uint8)
    padded = np.zeros((whole(n, rows), whole(k, SPAN)), np.uint8)
    padded[:n, :k] = codes
    planes = [np.packbits(padded >> bit & 1, axis=1, bitorder="little").view(np.uint32) for bit in range(bits)]
    # plane | tile, sixteen, half, row | span, further, word
    parts = np.stack(planes).reshape(bits, len(padded) // rows, rows // 16, 2, 8, -1, 2, 4)
    ordered = np.ascontiguousarray(parts.transpose(1, 5, 2, 0, 4, 7, 6, 3))
    return ordered.reshape(*ordered.shape[:2], -1).view(np.uint8)


class WeightBitPlanes(CudaKernel):
    """Up to four rows of activations. ``macros`` replace those of the plan."""

    def __init__(self, problem: GemmProblem, device: Device, macros: Mapping[str, int] | None = None) -> None:
        weight = problem.weight.quantized
        assert weight is not None, "planned for a quantized weight"
        plan = planes_plan(weight.scheme.format, problem.m, problem.k, shared_limit(device.architecture))
        assert plan is not None, "planned for what fits"
        inputs = {
            "x": value_type(operands_of(problem.dtype)).store(problem.activation.values),
            "weight": packed_planes(weight, plan.rows),
            "column_scales": for_columns(weight.params.scale, problem.n, plan.rows),
        }
        stored = value_type(problem.dtype).stored
        super().__init__(device, inputs, {"y": Output((problem.m, problem.n), stored)})
        self._of, self._plan, self._shared = problem, plan, plan.shared_bytes(problem.k)
        self._kernel = self.session.kernel(plan.specialise(problem.dtype, macros), "gemv", self._shared)
        self._scalars = (np.uint32(problem.n), np.uint32(problem.k))

    def launch_on(self, arrays: Arrays) -> None:
        grid = min(-(-self._of.n // self._plan.rows), self.session.multiprocessors)
        arguments: tuple[Any, ...] = tuple(arrays[name] for name in ("x", "weight", "column_scales", "y"))
        threads = 32 * (WARPS + 1)
        self.session.launch(self._kernel, grid, threads, *arguments, *self._scalars, shared_bytes=self._shared)

    def output(self) -> Product:
        values = self.array("y").view(value_type(self._of.dtype).numpy())
        taken = operands_of(self._of.dtype)
        return Product(values, "f32", operands=taken, activation_rounding=ACTIVATION_ROUNDING)


WEIGHT_BIT_PLANES = KernelSpec(
    "weight_bit_planes",
    "gemm",
    "cuda",
    "kernel",
    "harness.kernels.gemm.bit_planes:WeightBitPlanes",
    "16-bit activations (f32 ones taken as f16) times weights of one or two bits, up to four rows, by counting bits of both",
    supports=takes,
    definition="activations are taken in fixed point, of 32 bits against their row's largest; sums are exact",
    cuda=CudaSource(SOURCE, of_request, 96, only=("sm_90a",)),  # Blackwell has no products of bits
    arithmetic="b1",
)

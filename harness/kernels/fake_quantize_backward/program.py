"""The CUDA kernel of gradients: which requests it takes, and how it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.device import Device
from harness.kernels.common.affine_program import THREADS, AffineProgram, affine, affine_program
from harness.kernels.common.shared_blocks import WARP
from harness.kernels.common.supports import of_tensor, planned
from harness.kernels.spec import KernelSpec, Request, Supports
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

SOURCE = "fake_quantize_backward/backward.cu"
STE, LSQ = 0, 1
ATOMIC = 1
IN_FLIGHT = 2
_HELD = 2
"""Small blocks that a team has at once: four loads in flight a thread."""


@dataclass(frozen=True)
class BackwardProgram:
    """A tensor's walk; the threads that have a block (or a part of one) together; ``held``: blocks of at most one vector a
    thread that a team has at once (0: blocks are larger, or no runs of neighbours); loads of each tensor that a thread of
    larger blocks has in flight."""

    program: AffineProgram
    team: int
    held: int = 0
    in_flight: int = IN_FLIGHT

    def specialisation(self, rule: int, atomic: int) -> Specialisation:
        """Its compilation by a rule (STE or LSQ), sums by atomics or not."""
        made = self.program.specialisation(SOURCE, signed=False)
        shape = {"TEAM": self.team, "HELD": self.held, "IN_FLIGHT": self.in_flight}
        # Sums walk in their own way; codes are never made: formats differ by their limits alone.
        return made.changed("UNROLL", BITS=8, RULE=rule, ATOMIC=atomic, **shape)


def backward_program(scheme: OperandScheme, tiling: Tiling, dtype: str) -> BackwardProgram | None:
    """None where the blocks are laid out as no kernel walks."""
    program = affine_program(scheme, tiling, dtype)
    if program is None:
        return None
    kind, block = program.layout.kind, program.layout.block
    if kind == "column":
        return BackwardProgram(replace(program, width=0), 1)  # a thread has a column
    if kind == "one":
        return BackwardProgram(program, THREADS)
    vectors = -(-block[0] * block[1] * block[2] // (program.width or 1))
    team = min(WARP, 1 << (vectors - 1).bit_length())
    small = kind == "run" and program.width and vectors <= team
    return BackwardProgram(program, team, _HELD if small else 0)


def _specialise(rule: int, atomic: int) -> Callable[[Request], Specialisation]:
    def of(request: Request) -> Specialisation:
        return planned(backward_program(*of_tensor(request))).specialisation(rule, atomic)

    return of


def backward_specs(op: str, rule: int, classes: tuple[str, str], learned: Supports) -> tuple[KernelSpec, KernelSpec]:
    """The rows of an op's two kernels, by the classes of ``cuda.py``: sums in a fixed order, and sums by atomics."""

    def supports(request: Request, device: Device) -> str | None:
        return learned(request, device) or affine(request, device)

    docs = ("sums in a fixed order, the same bits every time", "sums by atomics: their last bits depend on the order")
    deterministic, atomic = (
        KernelSpec(
            name,
            op,
            "cuda",
            "kernel",
            f"harness.kernels.fake_quantize_backward.cuda:{kind}",
            f"gradients by values, scales and zero points in one read; {doc}",
            supports=supports,
            cuda=CudaSource(SOURCE, _specialise(rule, number), max_registers=80, max_stack_bytes=24),
            reorders_sums=number == ATOMIC,
        )
        for name, number, kind, doc in zip(("two_level", "atomic"), (0, ATOMIC), classes, docs, strict=True)
    )
    return deterministic, atomic

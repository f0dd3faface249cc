"""Questions that specs ask of a request. Each answers with the reason why not, or None."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from harness.kernels.spec import OperandPlan, Request
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme

Found = TypeVar("Found")


def quantized(request: Request, role: str) -> tuple[OperandScheme, str | None]:
    """The operand's scheme, or a stand-in and the reason."""
    scheme = request[role].scheme
    return (scheme, None) if scheme is not None else (OperandScheme(), f"needs a quantized {role}")


def scheme_and_tiling(plan: OperandPlan) -> tuple[OperandScheme, Tiling]:
    """Of an operand that was found to be quantized."""
    assert plan.scheme is not None, "planned for a quantized operand"
    return plan.scheme, plan.scheme.blocks.tiling(plan.shape, plan.channel_axis)


def of_tensor(request: Request) -> tuple[OperandScheme, Tiling, str]:
    """Scheme, blocks and type of the tensor of a one-tensor op, that was found to be quantized."""
    plan = request["tensor"]
    return *scheme_and_tiling(plan), plan.dtype


def planned(found: Found | None) -> Found:
    """What a search for a request that the kernel supports has found: planning left the others out."""
    assert found is not None, "planned for what the kernel takes"
    return found


def unquantized(request: Request, role: str) -> str | None:
    scheme = request[role].scheme
    return None if scheme is None else f"takes the {role} unquantized"


def format_in(scheme: OperandScheme, formats: Collection[str], role: str) -> str | None:
    return None if scheme.format in formats else f"takes no {role} of format {scheme.format}"


def granularity_in(scheme: OperandScheme, kinds: Collection[str], role: str) -> str | None:
    kind = scheme.blocks.kind
    return None if kind in kinds else f"takes no {role} scaled {kind}"


def static(scheme: OperandScheme, role: str) -> str | None:
    return None if scheme.range == "static" else f"takes no dynamic range of the {role}"


def one_level(scheme: OperandScheme) -> str | None:
    """What is found block by block does not wait for the tensor's largest magnitude."""
    return "makes no scales of two levels" if scheme.scales.two_level else None


def two_levels_symmetric(scheme: OperandScheme) -> str | None:
    """Scales of two levels have no zero points."""
    return "makes e4m3 scales for symmetric codes only" if scheme.scales.two_level and not scheme.symmetric else None


def full_range(scheme: OperandScheme) -> str | None:
    return "saturates at the full range, not the narrow one" if scheme.narrow_range else None


def onnx_grid(plan: OperandPlan) -> str | None:
    """ONNX quantizes per tensor, along one axis, or in blocks along one axis."""
    assert plan.scheme is not None
    kind = plan.scheme.blocks.kind
    if kind in ("per_tensor", "per_channel", "per_group"):
        return None
    if kind == "per_token" and len(plan.shape) == 2:
        return None
    return f"takes no tensor scaled {kind}"

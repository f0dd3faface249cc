"""Questions that specs ask of a request. Each answers with the reason why not, or None."""

from __future__ import annotations

from collections.abc import Collection

from harness.kernels.spec import OperandPlan, Request
from harness.numerics.granularity import Tiling
from harness.numerics.scheme import OperandScheme


def quantized(request: Request, role: str) -> tuple[OperandScheme, str | None]:
    """The operand's scheme, or a stand-in and the reason."""
    scheme = request[role].scheme
    return (scheme, None) if scheme is not None else (OperandScheme(), f"needs a quantized {role}")


def scheme_and_tiling(plan: OperandPlan) -> tuple[OperandScheme, Tiling]:
    """Of an operand that was found to be quantized."""
    assert plan.scheme is not None, "planned for a quantized operand"
    return plan.scheme, plan.scheme.blocks.tiling(plan.shape, plan.channel_axis)


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

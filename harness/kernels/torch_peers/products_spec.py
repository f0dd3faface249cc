"""The rows of PyTorch's products, and which requests they take."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.common.supports import (
    format_in,
    granularity_in,
    one_level,
    quantized,
    static,
    unquantized,
)
from harness.kernels.spec import KernelSpec, Request, Supports

_ROWS = ("per_tensor", "per_channel", "per_token")
_LOSS = "sums are those of cuBLASLt or CUTLASS in the tensor cores, held to the bound of sums all along k there"
_TINYGEMM = "weights are (code - 8) · scale + offset, with scale and offset rounded to bf16, rounded to bf16 (tinygemm)"


def _codes(request: Request, formats: tuple[str, ...]) -> str | None:
    """Symmetric operands of these formats with one f32 scale, or one a row."""
    for role in ("weight", "activation"):
        scheme, missing = quantized(request, role)
        reason = missing or format_in(scheme, formats, role) or static(scheme, role) or one_level(scheme)
        if reason := reason or granularity_in(scheme, _ROWS, role):
            return reason
        if not scheme.symmetric:
            return f"takes no zero point of the {role}"
    return None


def _multiples(request: Request, of: int) -> str | None:
    (n, k), wanted = request["weight"].shape, f"takes n and k that are multiples of {of}"
    return wanted if n % of or k % of else None


def takes_int_mm(request: Request, device: Device) -> str | None:
    """int8 operands; more than 16 rows."""
    if reason := _codes(request, ("int8",)) or _multiples(request, 8):
        return reason
    if request["activation"].shape[0] <= 16:
        return "takes more than 16 rows"
    return None if request["activation"].dtype == "f32" else "gives int32 sums"


def takes_scaled_mm(request: Request, device: Device) -> str | None:
    """fp8 operands, not both e5m2; one scale each, or one a row each and bf16 out."""
    if reason := _codes(request, ("fp8_e4m3", "fp8_e5m2")) or _multiples(request, 16):
        return reason
    schemes = [quantized(request, role)[0] for role in ("activation", "weight")]
    if all(each.format == "fp8_e5m2" for each in schemes):
        return "takes fp8_e5m2 of one operand only"
    kinds = {each.granularity == "per_tensor" for each in schemes}
    if len(kinds) > 1:
        return "takes one scale of both operands, or one a row of both"
    if kinds == {False} and request["activation"].dtype != "bf16":
        return "gives bf16 only where scales are those of rows"
    return None


def takes_int4pack(request: Request, device: Device) -> str | None:
    """4-bit weights in groups; bf16 activations."""
    weight, missing = quantized(request, "weight")
    reason = (
        missing
        or unquantized(request, "activation")
        or format_in(weight, ("int4", "uint4"), "weight")
        or granularity_in(weight, ("per_group",), "weight")
        or static(weight, "weight")
        or one_level(weight)
    )
    if reason:
        return reason
    n, k = request["weight"].shape
    group = weight.blocks.cols or 0
    if group not in (32, 64, 128, 256) or k % group:
        return "takes groups of 32, 64, 128 or 256 that fill k"
    if n % 8 or k % 128:
        return "takes n that are multiples of 8, k of 128"
    return None if request["activation"].dtype == "bf16" else "takes activations of bf16 only"


def _row(name: str, supports: Supports, arithmetic: str, doc: str, definition: str = "") -> KernelSpec:
    entry = f"harness.kernels.torch_peers.products:{name.upper()}"
    return KernelSpec(
        f"torch_{name}",
        "gemm",
        "cuda",
        "peer",
        entry,
        f"PyTorch's {doc}",
        supports=supports,
        definition=definition,
        requires="torch",
        arithmetic=arithmetic,
    )


PRODUCTS: tuple[KernelSpec, ...] = (
    _row("int_mm", takes_int_mm, "int8", "_int_mm: int32 sums by cuBLASLt; scales are applied outside the timed part"),
    _row("scaled_mm", takes_scaled_mm, "fp8", "_scaled_mm, precise accumulation", _LOSS),
    _row("scaled_mm_fast", takes_scaled_mm, "fp8", "_scaled_mm, fast accumulation", _LOSS),
    _row("int4pack_mm", takes_int4pack, "bf16", "_weight_int4pack_mm: tinygemm's 4-bit weights", _TINYGEMM),
)

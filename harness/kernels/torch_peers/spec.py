"""The peers' rows, and which requests they take."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.common.supports import format_in, quantized, scheme_and_tiling, static
from harness.kernels.spec import KernelSpec, Request, Supports

FORMATS = ("int8", "uint8", "int4", "uint4", "fp8_e4m3", "fp8_e5m2")
"""What PyTorch has types for, or two codes of a byte."""


def torch_takes(request: Request, device: Device) -> str | None:
    """Formats of whole bytes and of half ones, f32 scales, blocks that are all of one size."""
    scheme, missing = quantized(request, "tensor")
    if missing or (missing := format_in(scheme, FORMATS, "tensor")):
        return missing
    if scheme.scale_format != "f32":
        return f"takes scales of f32, not {scheme.scale_format}"
    _, tiling = scheme_and_tiling(request["tensor"])
    if any(size % extent for size, extent in zip(tiling.shape, tiling.block, strict=True)) or 0 in tiling.shape:
        return "takes blocks that are all of one size"
    if scheme.element.bits == 4 and tiling.shape[-1] % 2:
        return "packs codes of 4 bits in pairs: takes even rows"
    return None


def given_scales(request: Request, device: Device) -> str | None:
    """A static range."""
    scheme, missing = quantized(request, "tensor")
    return missing or static(scheme, "tensor")


def given_scales_or_found(request: Request, device: Device) -> str | None:
    """A static range, or a dynamic one of codes that have both signs or zero points."""
    scheme, missing = quantized(request, "tensor")
    if missing is None and scheme.range == "dynamic" and scheme.symmetric and not scheme.element.signed:
        return "finds no range of unsigned symmetric codes"
    return missing


def torch_specs(op: str, also: Supports) -> tuple[KernelSpec, KernelSpec]:
    """The rows ``torch_eager`` and ``torch_compile`` of an op, whose own conditions are ``also`` asked for."""

    def supports(request: Request, device: Device) -> str | None:
        return torch_takes(request, device) or also(request, device)

    eager, compiled = (
        KernelSpec(
            f"torch_{name}",
            op,
            "cuda",
            "peer",
            f"harness.kernels.torch_peers.ops:{f'{op}_{name}'.upper()}",
            doc,
            supports=supports,
            requires="torch",
        )
        for name, doc in (
            ("eager", "PyTorch, an operator a kernel"),
            ("compile", "PyTorch's torch.compile: operators fused into kernels that Triton compiles"),
        )
    )
    return eager, compiled

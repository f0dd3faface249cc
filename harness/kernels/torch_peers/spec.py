"""The peers' rows, and which requests they take."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.common.supports import format_in, quantized, scheme_and_tiling
from harness.kernels.spec import KernelSpec, Request

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


def static_only(request: Request, device: Device) -> str | None:
    """Scales are given."""
    if (missing := torch_takes(request, device)) is not None:
        return missing
    scheme, _ = scheme_and_tiling(request["tensor"])
    return "takes no dynamic range" if scheme.range == "dynamic" else None


def quantizes(request: Request, device: Device) -> str | None:
    """Scales are given or found; of unsigned symmetric codes they are given."""
    if (missing := torch_takes(request, device)) is not None:
        return missing
    scheme, _ = scheme_and_tiling(request["tensor"])
    if scheme.range == "dynamic" and scheme.symmetric and not scheme.element.signed:
        return "finds no range of unsigned symmetric codes"
    return None


def differentiates(request: Request, device: Device) -> str | None:
    """Integer formats."""
    if (missing := static_only(request, device)) is not None:
        return missing
    scheme, _ = scheme_and_tiling(request["tensor"])
    return None if scheme.element.is_integer else f"differentiates integer formats only, not {scheme.format}"


_SUPPORTS = {
    "quantize": quantizes,
    "dequantize": static_only,
    "fake_quantize": static_only,
    "ste_backward": differentiates,
    "lsq_backward": differentiates,
}


def torch_specs(op: str) -> tuple[KernelSpec, KernelSpec]:
    """The rows ``torch_eager`` and ``torch_compile`` of an op."""
    eager, compiled = (
        KernelSpec(
            f"torch_{name}",
            op,
            "cuda",
            "peer",
            f"harness.kernels.torch_peers.ops:{f'{op}_{name}'.upper()}",
            doc,
            supports=_SUPPORTS[op],
            requires="torch",
        )
        for name, doc in (
            ("eager", "PyTorch, an operator a kernel"),
            ("compile", "PyTorch's torch.compile: operators fused into kernels that Triton compiles"),
        )
    )
    return eager, compiled

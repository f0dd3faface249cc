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


_MOST_TABLES = 1 << 25
"""Numbers of a table of KL divergences: blocks, thresholds and levels."""


def calibrates(request: Request, device: Device) -> str | None:
    """The calibrations that PyTorch has operators for, of a static range."""
    scheme, missing = quantized(request, "tensor")
    if reason := missing or static(scheme, "tensor"):
        return reason
    calibrator = scheme.calibrator
    if calibrator.kind not in ("minmax", "ema_minmax", "percentile", "kl"):
        return f"has no operators that find {calibrator.kind}"
    if calibrator.kind != "kl":
        return None
    if not scheme.symmetric:
        return "takes kl of symmetric schemes only"
    _, tiling = scheme_and_tiling(request["tensor"])
    if tiling.blocks * int(calibrator.argument or 0) * scheme.element.levels > _MOST_TABLES:
        return "holds the divergences of all thresholds at once, of fewer blocks"
    return None


def calibrates_compiled(request: Request, device: Device) -> str | None:
    """All of them that do not depend on each rounding of a sum of products: compiled, those are fused into one."""
    scheme, _ = quantized(request, "tensor")
    if scheme.calibrator.kind == "ema_minmax":
        return "fuses a moving average's products into its sums, which rounds them once instead of twice"
    return calibrates(request, device)


def calibrates_percentile(request: Request, device: Device) -> str | None:
    """Order statistics alone."""
    scheme, missing = quantized(request, "tensor")
    if missing is None and scheme.calibrator.kind != "percentile":
        return f"calibrates by percentile, not {scheme.calibration}"
    return missing or static(scheme, "tensor")


def _both(also: Supports) -> Supports:
    def supports(request: Request, device: Device) -> str | None:
        return torch_takes(request, device) or also(request, device)

    return supports


def torch_calibrations() -> tuple[KernelSpec, ...]:
    """The rows of calibration."""
    rows: tuple[tuple[str, Supports, str], ...] = (
        ("eager", calibrates, "PyTorch, an operator a kernel: aminmax, topk, tables of every threshold's divergence"),
        ("compile", calibrates_compiled, "PyTorch's torch.compile of the same"),
        ("kthvalue", calibrates_percentile, "PyTorch's kthvalue: order statistics by selection"),
        ("sort", calibrates_percentile, "PyTorch's sort: order statistics of the sorted tensor"),
    )
    return tuple(
        KernelSpec(
            f"torch_{name}",
            "calibration",
            "cuda",
            "peer",
            f"harness.kernels.torch_peers.calibration:CALIBRATION_{name.upper()}",
            doc,
            supports=_both(also),
            requires="torch",
        )
        for name, also, doc in rows
    )


def torch_specs(op: str, also: Supports) -> tuple[KernelSpec, KernelSpec]:
    """The rows ``torch_eager`` and ``torch_compile`` of an op, whose own conditions are ``also`` asked for."""
    eager, compiled = (
        KernelSpec(
            f"torch_{name}",
            op,
            "cuda",
            "peer",
            f"harness.kernels.torch_peers.ops:{f'{op}_{name}'.upper()}",
            doc,
            supports=_both(also),
            requires="torch",
        )
        for name, doc in (
            ("eager", "PyTorch, an operator a kernel"),
            ("compile", "PyTorch's torch.compile: operators fused into kernels that Triton compiles"),
        )
    )
    return eager, compiled

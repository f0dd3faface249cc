"""The rows of other packages' products with quantized weights, and which requests they take."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.common.supports import format_in, granularity_in, one_level, quantized, static, unquantized
from harness.kernels.spec import KernelSpec, Request, Supports
from harness.numerics.scheme import OperandScheme

_INTEGERS = ("int8", "uint8", "int4", "uint4", "int2", "uint2")
_OF_HUMMING = "scales are rounded to the 16-bit type of the output, and each dequantized weight once more to it"
_OF_HUMMING_INT8 = (
    "the weight's scales are rounded to the 16-bit type of the output, and whole sums too before they are scaled"
)
_OF_GEMLITE = "scales and zero points are rounded to the 16-bit type of the output, dequantized weights to it too"


def _weight(request: Request, formats: tuple[str, ...]) -> tuple[OperandScheme, str | None]:
    """A static weight of these formats, a scale a row or a group."""
    weight, missing = quantized(request, "weight")
    reason = (
        missing
        or format_in(weight, formats, "weight")
        or granularity_in(weight, ("per_channel", "per_group"), "weight")
        or static(weight, "weight")
        or one_level(weight)
    )
    return weight, reason


def _groups(weight: OperandScheme, k: int, sizes: tuple[int, ...]) -> str | None:
    if weight.blocks.kind != "per_group":
        return None
    group = weight.blocks.cols or 0
    return None if group in sizes and k % group == 0 else f"takes groups of {', '.join(map(str, sizes))} that fill k"


def _multiples(n: int, k: int, of_n: int, of_k: int) -> str | None:
    return f"takes n that are multiples of {of_n}, k of {of_k}" if n % of_n or k % of_k else None


def _bits16(request: Request) -> str | None:
    return "gives f16 and bf16" if request["activation"].dtype == "f32" else None


def takes_humming(request: Request, device: Device) -> str | None:
    """Integers of 2 to 8 bits, fp8_e4m3 or mxfp4; 16-bit activations."""
    if reason := unquantized(request, "activation"):
        return reason
    weight, reason = _weight(request, (*_INTEGERS, "fp8_e4m3", "fp4_e2m1"))
    n, k = request["weight"].shape
    reason = reason or _bits16(request) or _multiples(n, k, 64, 64) or _groups(weight, k, (32, 64, 128))
    if reason:
        return reason
    if weight.format == "fp4_e2m1" and (weight.scale_format, weight.blocks.cols) != ("e8m0", 32):
        return "takes fp4_e2m1 in groups of 32 with scales of e8m0 only"
    if weight.format != "fp4_e2m1" and weight.scale_format not in ("f32", "f16", "bf16"):
        return f"takes no scales of {weight.scale_format}"
    return None


def takes_humming_int8(request: Request, device: Device) -> str | None:
    """int8 activations, a scale a row; int8 or int4 weights, a scale a row; no zero points."""
    activation, missing = quantized(request, "activation")
    if missing:
        return missing
    weight, reason = _weight(request, ("int8", "int4"))
    n, k = request["weight"].shape
    reason = (
        reason
        or _bits16(request)
        or _multiples(n, k, 64, 64)
        or granularity_in(weight, ("per_channel",), "weight")
        or format_in(activation, ("int8",), "activation")
        or granularity_in(activation, ("per_tensor", "per_token"), "activation")
        or static(activation, "activation")
    )
    for scheme, role in ((weight, "weight"), (activation, "activation")):
        if reason is None and not scheme.symmetric:
            return f"takes no zero point of the {role}"
    return reason


def takes_gemlite(request: Request, device: Device) -> str | None:
    """Integers of 2, 4 or 8 bits in groups or rows; 16-bit activations."""
    if reason := unquantized(request, "activation"):
        return reason
    weight, reason = _weight(request, _INTEGERS)
    n, k = request["weight"].shape
    return reason or _bits16(request) or _multiples(n, k, 32, 32) or _groups(weight, k, (32, 64, 128, 256))


def _row(name: str, supports: Supports, install: str, doc: str, definition: str, arithmetic: str = "f16") -> KernelSpec:
    package = name.partition("_")[0]
    entry = f"harness.kernels.torch_peers.{package}:{package.capitalize()}"
    return KernelSpec(
        name,
        "gemm",
        "cuda",
        "peer",
        entry,
        doc,
        supports=supports,
        definition=definition,
        requires=package,
        install=install,
        arithmetic=arithmetic,
    )


_HUMMING = "humming's generated products of quantized weights with"
WEIGHT_ONLY: tuple[KernelSpec, ...] = (
    _row("humming", takes_humming, "humming-kernels", f"{_HUMMING} 16-bit activations", _OF_HUMMING),
    _row(
        "humming_int8",
        takes_humming_int8,
        "humming-kernels",
        f"{_HUMMING} int8 activations",
        _OF_HUMMING_INT8,
        arithmetic="int8",
    ),
    _row("gemlite", takes_gemlite, "gemlite", "gemlite's Triton products with quantized weights", _OF_GEMLITE),
)

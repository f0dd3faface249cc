"""The pitfalls: one row each. docs/pitfalls.md has a paragraph of each, and what it costs."""

from __future__ import annotations

from harness.device import Device
from harness.kernels.common.supports import format_in, granularity_in, quantized, static
from harness.kernels.fake_quantize_backward.spec import learned, learned_symmetric
from harness.kernels.fold_batch_norm.spec import convolution
from harness.kernels.pitfalls.program import FOLDER, Takes, specialisation
from harness.kernels.spec import KernelSpec, Request, Supports
from harness.kernels.specialisation import CudaSource, Specialisation

_BYTES = ("int8", "uint8")


def _integers(request: Request, device: Device) -> str | None:
    scheme, missing = quantized(request, "tensor")
    if missing is None and not scheme.element.is_integer:
        return f"takes integer formats only, not {scheme.format}"
    return missing or static(scheme, "tensor")


def _bytes(request: Request, device: Device) -> str | None:
    scheme, _ = quantized(request, "tensor")
    return _integers(request, device) or format_in(scheme, _BYTES, "tensor")


def _symmetric(request: Request, device: Device) -> str | None:
    scheme, _ = quantized(request, "tensor")
    return _integers(request, device) or (None if scheme.symmetric else "takes symmetric schemes only")


def _asymmetric(request: Request, device: Device) -> str | None:
    scheme, _ = quantized(request, "tensor")
    return _integers(request, device) or ("takes schemes with a zero point only" if scheme.symmetric else None)


def _calibrated(kind: str, symmetric: Supports) -> Supports:
    """Schemes of one calibration."""

    def supports(request: Request, device: Device) -> str | None:
        scheme, _ = quantized(request, "tensor")
        if reason := symmetric(request, device):
            return reason
        return None if scheme.calibrator.kind == kind else f"calibrates by {kind} only"

    return supports


def _format(name: str) -> Supports:
    def supports(request: Request, device: Device) -> str | None:
        scheme, missing = quantized(request, "tensor")
        return missing or format_in(scheme, (name,), "tensor") or static(scheme, "tensor")

    return supports


def _product(*, symmetric: bool, weight_formats: tuple[str, ...]) -> Supports:
    """Products of integer codes with one scale, or one a row."""

    def supports(request: Request, device: Device) -> str | None:
        for role, formats in (("weight", weight_formats), ("activation", ("int8", "uint8"))):
            scheme, missing = quantized(request, role)
            reason = (
                missing
                or format_in(scheme, formats, role)
                or granularity_in(
                    scheme, ("per_tensor", "per_token", *(("per_channel",) if role == "weight" else ())), role
                )
                or static(scheme, role)
                or ("takes no zero points" if symmetric and not scheme.symmetric else None)
            )
            if reason:
                return reason
        return None

    return supports


def _pitfall(op: str, name: str, module: str, doc: str, supports: Supports) -> KernelSpec:
    """A mistake of arithmetic, which NumPy shows on any machine."""
    entry = f"harness.kernels.{FOLDER}.{module}:{name.upper()}"
    return KernelSpec(name, op, None, "pitfall", entry, doc, supports=supports, max_samples=3)


def _on_device(name: str, kind: str, doc: str, takes: Takes, max_registers: int) -> KernelSpec:
    """A mistake of parallel programming."""

    def specialise(request: Request) -> Specialisation:
        scheme, _ = quantized(request, "tensor")
        return specialisation(name, scheme)

    cuda = CudaSource(f"{FOLDER}/{name}.cu", specialise, max_registers)
    entry = f"harness.kernels.{FOLDER}.cuda:{kind}"
    return KernelSpec(name, "quantize", "cuda", "pitfall", entry, doc, supports=takes, cuda=cuda)


_WEIGHTS = ("int8", "uint8", "int4", "uint4")

KERNELS = (
    _pitfall("quantize", "divide_twice", "quantize", "the scale divided by qmax once more", _symmetric),
    _pitfall("quantize", "no_scale", "quantize", "x · qmax, as if all values lay in [-1, 1]", _symmetric),
    _pitfall("quantize", "round_half_away", "quantize", "roundf: halves away from zero", _integers),
    _pitfall("quantize", "cast_before_clamp", "quantize", "cast to the codes' type, then clamped", _bytes),
    _pitfall("quantize", "reciprocal_scale", "quantize", "x · (1/s) in place of x / s", _integers),
    _pitfall("quantize", "round_after_zero_point", "quantize", "rint(x/s + z) in place of rint(x/s) + z", _asymmetric),
    _pitfall("quantize", "unrounded_zero_point", "quantize", "a zero point that is no whole number", _asymmetric),
    _pitfall("quantize", "signed_offset", "quantize", "the zero point of uint8 for codes of int8", _asymmetric),
    _pitfall("quantize", "fp4_by_comparison", "quantize", "E2M1 by >= with the midpoints", _format("fp4_e2m1")),
    _pitfall("quantize", "fp8_without_clamp", "quantize", "E4M3 cast without a clamp", _format("fp8_e4m3")),
    _on_device("shared_byte", "SharedByte", "two threads write one byte", Takes(("int4", "uint4"), range="static"), 24),
    _on_device("block_barrier", "BlockBarrier", "a block's barrier taken for the grid's", Takes(_BYTES), 32),
    _on_device(
        "float_bits",
        "FloatBits",
        "atomicMin on the bits of negative floats",
        Takes(_BYTES, ("per_tensor", "per_token"), symmetric=(False,)),
        40,
    ),
    _on_device(
        "warp_range", "WarpRange", "a warp's reduction taken for the block's", Takes(_BYTES, ("per_token",)), 40
    ),
    _pitfall("fake_quantize", "subtract_last", "values", "q·s - z·s in place of (q - z)·s", _asymmetric),
    _pitfall("statistics", "running_sum_f32", "values", "squares added up one by one in f32", _integers),
    _pitfall(
        "calibration",
        "percentile_off_by_one",
        "calibration",
        "the element after the percentile's",
        _calibrated("percentile", _symmetric),
    ),
    _pitfall(
        "calibration",
        "kl_unsmoothed",
        "calibration",
        "KL divergence that passes over bins where Q is empty",
        _calibrated("kl", _symmetric),
    ),
    _pitfall(
        "calibration",
        "kl_outliers_in_q",
        "calibration",
        "KL divergence from a Q that knows the outliers",
        _calibrated("kl", _symmetric),
    ),
    _pitfall(
        "calibration",
        "range_without_zero",
        "calibration",
        "an asymmetric range that need not include 0",
        _calibrated("minmax", _asymmetric),
    ),
    _pitfall(
        "calibration",
        "range_for_amplitude",
        "calibration",
        "symmetric scales of max - min",
        _calibrated("minmax", _symmetric),
    ),
    _pitfall("ste_backward", "ste_divided_by_scale", "gradients", "(x/s - q)/s for the scale's gradient", learned),
    _pitfall("ste_backward", "ste_unclipped", "gradients", "gradients of saturated values let through", learned),
    _pitfall("ste_backward", "ste_unrounded_mask", "gradients", "saturation asked of x/s, not of the code", learned),
    _pitfall("lsq_backward", "lsq_swapped_bounds", "gradients", "Q_N and Q_P swapped", learned_symmetric),
    _pitfall("lsq_backward", "lsq_whole_tensor_count", "gradients", "N of the whole tensor", learned_symmetric),
    _pitfall(
        "gemm",
        "four_at_a_time",
        "products",
        "steps of four codes past the end of a row",
        _product(symmetric=True, weight_formats=_WEIGHTS),
    ),
    _pitfall(
        "gemm",
        "zero_points_left_out",
        "products",
        "codes multiplied without their zero points",
        _product(symmetric=False, weight_formats=_WEIGHTS),
    ),
    _pitfall(
        "gemm",
        "unsigned_nibbles",
        "products",
        "4-bit weights unpacked without sign extension",
        _product(symmetric=True, weight_formats=("int4",)),
    ),
    _pitfall("fold_batch_norm", "bias_left_out", "folding", "the convolution's own bias left out", convolution),
)

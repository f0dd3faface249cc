"""Kernels that multiply activations [m, k] with weights [n, k] transposed."""

from harness.device import Device
from harness.kernels.chooser import chooser
from harness.kernels.common.supports import (
    format_in,
    full_range,
    granularity_in,
    quantized,
    static,
    unquantized,
)
from harness.kernels.gemm import ladder
from harness.kernels.gemm.bit_planes import WEIGHT_BIT_PLANES
from harness.kernels.gemm.transposed_spec import TRANSPOSED
from harness.kernels.gemm.weight_gemv import WEIGHT_GEMV
from harness.kernels.gemm.weight_wgmma import WEIGHT_WGMMA
from harness.kernels.spec import OUTPUT, KernelSpec, Request, Supports, reference_spec
from harness.kernels.specialisation import CudaSource, Specialisation
from harness.kernels.torch_peers.products_spec import PRODUCTS
from harness.kernels.torch_peers.weight_only_spec import WEIGHT_ONLY

DP4A, WMMA_S8, INT4_PACKED = "gemm/dp4a.cu", "gemm/wmma_s8.cu", "gemm/int4_packed.cu"
POPC_B1 = "gemm/popc_b1.cu"

_BYTES = ("int8", "uint8")
_INT32_SAFE_K = 2**31 // 2**16
"""Largest k for which products of two bytes cannot overflow an int32 sum."""
_S8_SAFE_K = 2**31 // 2**14 - 1
"""The same for products of at most 2^14 in magnitude: two signed bytes, or 256 times two signed nibbles."""
_MAX_M = 65535 * 128
"""Blocks of 128 rows that a grid's second axis counts."""
_ROWWISE = ("per_tensor", "per_token")


def _integer_product(request: Request) -> str | None:
    """What MatMulInteger and QLinearMatMul have in common."""
    weight, no_weight = quantized(request, "weight")
    activation, no_activation = quantized(request, "activation")
    reason = (
        no_weight
        or no_activation
        or format_in(weight, _BYTES, "weight")
        or format_in(activation, _BYTES, "activation")
        or granularity_in(weight, ("per_tensor", "per_channel", "per_token"), "weight")
        or static(weight, "weight")
    )
    if reason is None and request["weight"].shape[1] > _INT32_SAFE_K:
        return f"int32 sums hold k up to {_INT32_SAFE_K}"
    return reason


def _matmul_integer(request: Request, device: Device) -> str | None:
    if reason := _integer_product(request):
        return reason
    activation = request["activation"].scheme
    assert activation is not None
    if activation.range == "dynamic":
        wanted = (activation.format, activation.granularity, activation.symmetric, activation.scale_format)
        if wanted != ("uint8", "per_tensor", False, "f32"):
            return "a dynamic range is that of DynamicQuantizeLinear: uint8, per_tensor, asymmetric"
        return None
    if activation.blocks.kind == "per_token" and not activation.symmetric:
        return "takes one activation zero point a tensor"
    return granularity_in(activation, ("per_tensor", "per_token"), "activation")


def _qlinear_matmul(request: Request, device: Device) -> str | None:
    if reason := _integer_product(request):
        return reason
    activation, weight = request["activation"].scheme, request["weight"].scheme
    assert activation is not None
    assert weight is not None
    if activation.format == "int8" and (weight.format != "int8" or "vnni" not in device.features):
        return "takes signed activations with signed weights only, on CPUs with VNNI"
    return (
        granularity_in(activation, ("per_tensor",), "activation")
        or static(activation, "activation")
        or full_range(activation)
    )


def _matmul_nbits(request: Request, device: Device) -> str | None:
    weight, no_weight = quantized(request, "weight")
    reason = (
        no_weight
        or unquantized(request, "activation")
        or format_in(weight, ("int4", "uint4", "int8", "uint8"), "weight")
        or granularity_in(weight, ("per_group",), "weight")
        or static(weight, "weight")
    )
    if reason:
        return reason
    group = weight.blocks.cols or 0
    if group < 16 or group & (group - 1):
        return "takes groups of 16, 32, 64, … (powers of two)"
    return None


def _cpu(name: str, entry: str, doc: str, **more: object) -> KernelSpec:
    role = more.pop("role", "kernel")
    return KernelSpec(name, "gemm", "cpu", role, f"harness.kernels.gemm.{entry}", doc, **more)  # type: ignore[arg-type]


_BOTH = frozenset({"weight", "activation", OUTPUT})
"""Float baselines make the bare product, whatever follows it."""


def _codes_product(element: str) -> Supports:
    """What the tiled integer products take: symmetric operands of one format, one scale or one a row each."""

    def supports(request: Request, device: Device) -> str | None:
        for role, kinds in (("weight", ("per_tensor", "per_channel", "per_token")), ("activation", _ROWWISE)):
            scheme, missing = quantized(request, role)
            reason = (
                missing
                or format_in(scheme, (element,), role)
                or granularity_in(scheme, kinds, role)
                or static(scheme, role)
                or (None if scheme.symmetric else f"takes no zero point of the {role}")
            )
            if reason:
                return reason
        m, k = request["activation"].shape
        if k > _S8_SAFE_K:
            return f"int32 sums hold k up to {_S8_SAFE_K}"
        if (dtype := request["activation"].dtype) != "f32":
            return f"gives f32 only, no {dtype}"
        return f"takes m up to {_MAX_M}" if m > _MAX_M else None

    return supports


def _cublas(name: str, entry: str, arithmetic: str, doc: str) -> KernelSpec:
    entry = f"harness.kernels.gemm.cublas:{entry}"
    return KernelSpec(name, "gemm", "cuda", "baseline", entry, doc, ignores=_BOTH, arithmetic=arithmetic)


def _tiled(
    name: str, entry: str, element: str, source: str, registers: int, arithmetic: str | None, doc: str
) -> KernelSpec:
    cuda = CudaSource(source, lambda request: Specialisation.of(source), registers)
    entry = f"harness.kernels.gemm.cuda:{entry}"
    supports = _codes_product(element)
    return KernelSpec(name, "gemm", "cuda", "kernel", entry, doc, supports=supports, cuda=cuda, arithmetic=arithmetic)


KERNELS = (
    _cpu("ort_f32", "ort:MatMul", "onnxruntime MatMul in f32", role="baseline", ignores=_BOTH, arithmetic="f32"),
    _cpu(
        "ort_matmul_integer",
        "ort:MatMulInteger",
        "onnxruntime MatMulInteger, scales applied to the int32 sums",
        supports=_matmul_integer,
    ),
    _cpu(
        "ort_qlinear_matmul",
        "ort:QLinearMatMul",
        "onnxruntime QLinearMatMul: 8-bit output, calibrated by minmax",
        supports=_qlinear_matmul,
        definition=(
            "y = saturate(rint(acc · (s_a·s_w / s_y)) + z_y), dequantized; at a tie the rounding of the combined scale "
            "may move a code by one: outputs are held to one code of the oracle's"
        ),
        gives_codes=True,
    ),
    _cpu(
        "ort_matmul_nbits",
        "ort:MatMulNBits",
        "onnxruntime MatMulNBits: 4- or 8-bit weights in blocks, f32 activations",
        supports=_matmul_nbits,
    ),
    reference_spec("gemm", doc="the NumPy oracle run as a kernel (float64 product of dequantized operands)"),
    _cublas("cublas_f16", "CublasF16", "f16", "cuBLAS product in f16, sums in f32"),
    _cublas("cublas_bf16", "CublasBf16", "bf16", "cuBLAS product in bf16, sums in f32"),
    _cublas("cublas_f32", "CublasF32", "f32", "cuBLAS product in f32"),
    _tiled("dp4a", "Dp4a", "int8", DP4A, 128, "dp4a", "int8 dot products of four, DP4A"),
    _tiled("wmma_s8", "WmmaS8", "int8", WMMA_S8, 128, "int8", "int8 tensor-core product through WMMA"),
    _tiled(
        "int4_packed", "Int4Packed", "int4", INT4_PACKED, 112, "int8", "packed int4 operands, on the int8 tensor cores"
    ),
    _tiled("popc_b1", "PopcB1", "binary", POPC_B1, 128, None, "bits of both operands on the ordinary cores: XOR, POPC"),
    *ladder.ROWS,
    *TRANSPOSED,
    WEIGHT_GEMV,
    WEIGHT_BIT_PLANES,
    WEIGHT_WGMMA,
    *PRODUCTS,
    *WEIGHT_ONLY,
    chooser("gemm"),
)

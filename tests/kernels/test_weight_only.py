"""Weights of the weight-only products without a device: where each code lies, and what it is there by the source's arithmetic."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from device_code import macro, run
from example_suites import why_skipped

from harness.device import Device
from harness.kernels.gemm import weight_gemv, weight_packing
from harness.kernels.gemm.weight_layout import WeightLayout
from harness.kernels.gemm.weight_wgmma import wgmma_plan
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme

SOURCE, GEMV = "common/weight_codes.cuh", "gemm/weight_only_gemv.cu"
BLACKWELL = Device("cuda:0", "cuda", "test", "sm_120a", 24 << 30)
ADA = Device("cuda:0", "cuda", "test", "sm_89", 24 << 30)
BITS16 = {"f16": (np.float16, 10, 15), "bf16": (ml_dtypes.bfloat16, 7, 127)}
FORMATS = ("int8", "uint8", "int4", "uint4", "int2", "uint2", "ternary", "binary", "nf4", "fp4_e2m1")


def _quantized(n: int, k: int, scheme: OperandScheme):
    return quantize(np.random.default_rng(n + k).normal(size=(n, k)).astype(np.float32), scheme)


def _shift(bits: int, i: int, mantissa: int) -> int:
    """As shift_of says."""
    if bits == 1:
        return -1 if i == 0 else (i - 1) // (mantissa - 1) * (mantissa - 1)
    per = mantissa // bits
    return i // per * per * bits


def _fused(a, b, c, kind):
    return (a.astype(np.float64) * float(b) + float(c)).astype(kind)


def _decoded(word: np.ndarray, i: int, layout: WeightLayout, zero: int) -> list[np.ndarray]:
    """Both values of register ``i`` by the arithmetic of value_pair, and that all of it is exact in 16 bits."""
    kind, mantissa, bias = BITS16[layout.operands]
    bits = layout.bits
    made = []
    for half in range(2):
        if layout.kind == 3:
            made.append(_e2m1(word >> 16 * half & 0xFFFF, i, layout.operands))
            continue
        if bits == 8:
            code = (word >> (16 * half + 8 * i)) & 0xFF
            if layout.operands == "f16":
                counted = (0x6400 | code).astype(np.uint16).view(kind)
                made.append(_fused(counted, 1, -(1024 + zero), kind))
            else:
                low = (code & 0x7F | 0x4300).astype(np.uint16).view(kind)
                away = (~code & 0x80 | 0x4300).astype(np.uint16).view(kind)
                made.append(_fused(_fused(away, -1, 0, kind) + low, 1, 128 - zero, kind))
            continue
        shift = _shift(bits, i, mantissa)
        place = bits * i - shift
        assert (1 if bits == 1 else 0) <= place <= mantissa - bits
        moved = word << -shift if shift < 0 else word >> shift
        field = (moved >> 16 * half) & (((1 << bits) - 1) << place)
        counted = (field | (bias + mantissa) << mantissa).astype(np.uint16).view(kind)
        if layout.scheme.format == "binary":
            base = -(2.0 ** (mantissa + 1 - place) + 1)
            made.append(_fused(counted, 2.0 ** (1 - place), base, kind))
        else:
            base = -(2.0 ** (mantissa - place) + zero)
            pattern = 0x8000 | (bias + mantissa - place) << mantissa | zero << place
            assert np.uint16(pattern).view(kind) == kind(base) and float(kind(base)) == base, "minus_base"
            made.append(_fused(counted, 2.0**-place, base, kind))
    return made


def _e2m1(half: np.ndarray, i: int, operands: str) -> np.ndarray:
    """By the arithmetic of e2m1_pair."""
    kind, mantissa, bias = BITS16[operands]
    place = mantissa - 1
    magnitude = run(SOURCE, "magnitude_place", i=i, BF16=int(operands == "bf16"), E2M1_PLACE=place)["result"]
    sign = run(SOURCE, "sign_place", i=i)["result"]
    assert (magnitude, sign) == weight_packing.e2m1_places(operands)[i]
    small = (half >> magnitude & 7) << place | (half >> sign & 1) << 15
    return _fused(small.astype(np.uint16).view(kind), 2.0 ** (bias - 1), 0, kind)  # of f16: the sums are multiplied


def _unpacked(packed: np.ndarray, layout: WeightLayout, n: int, k: int) -> np.ndarray:
    """What the kernel multiplies, [n, k], by fragments as the PTX ISA has them, with zero points of symmetric codes."""
    tiles, spans, _ = packed.shape
    values = np.zeros((tiles * layout.rows, spans * layout.span), np.float64)
    vectors = packed.view(np.uint32).reshape(tiles, spans, layout.rows // 16, -1, 32, 4)
    words = vectors.transpose(0, 1, 2, 4, 3, 5).reshape(tiles, spans, layout.rows // 16, 32, -1).astype(np.int64)
    per = 4 if layout.table else 16 // layout.bits
    table = weight_packing.table_values(layout).view(BITS16[layout.operands][0]).astype(np.float64)
    for register in range(layout.span // 4):
        word = words[..., register // per]
        if layout.table:
            turned = (word >> 7 | word << 25) & 0xFFFFFFFF
            byte = turned >> 8 * (register % per) & 0xFF
            pair = [table[byte & 15], table[byte >> 4]]
        else:
            pair = [each.astype(np.float64) for each in _decoded(word, register % per, layout, -layout.lowest)]
        product_, fragment = divmod(register, 4)
        for lane in range(32):
            g, q = divmod(lane, 4)
            for e in range(2):
                if layout.natural:
                    at = 16 * product_ + 2 * q + 8 * (fragment // 2) + e
                elif layout.group == 16:
                    at = 16 * product_ + 4 * q + 2 * (fragment // 2) + e
                else:
                    at = 32 * (product_ // 2) + 8 * q + 4 * (product_ % 2) + 2 * (fragment // 2) + e
                for row_tile in range(layout.rows // 16):
                    row = 16 * row_tile + g + 8 * (fragment % 2)
                    values[row :: layout.rows, at :: layout.span] = pair[e][:, :, row_tile, lane]
    return values[:n, :k]


@pytest.mark.parametrize("granularity", ["per_channel", "per_group:16"])
@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("operands", BITS16)
@pytest.mark.parametrize("name", FORMATS)
def test_every_code_is_where_its_fragment_is_and_exact(name, operands, natural, granularity):
    scheme = OperandScheme(name, granularity)
    layout = WeightLayout(scheme, operands, 32, 256, natural)
    weight = _quantized(43, 300, scheme)
    packed = weight_packing.packed_codes(weight, layout)
    assert packed.shape == (2, 2, layout.codes_bytes)
    wanted = scheme.element.decode(weight.codes).astype(np.float64)
    got = _unpacked(packed, layout, 43, 300)
    if name == "nf4":
        np.testing.assert_allclose(got, wanted, rtol=layout.weight_rounding, atol=0)
    else:
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("group", [0, 16])
def test_activations_stand_where_the_codes_of_a_product_are(group):
    """A lane's eight neighbours are the k of its registers of two products, in order."""
    for at in range(64):
        place = run(GEMV, "place_of", at=at, GROUP=group)["result"]
        assert place // 32 == at // 32
        product_, rest = (place % 8 // 4, place % 32 // 8 * 4 + place % 4)
        assert at % 32 == (16 * product_ + rest if group else place % 32)


def test_a_turned_word_holds_a_byte_where_the_table_has_its_row():
    assert macro(SOURCE, "MANTISSA") in (7, 10)
    word = 0x89ABCDEF
    turned = (word << 7 | word >> 25) & 0xFFFFFFFF
    for i in range(4):
        moved = turned >> 8 * i if i < 3 else (turned >> 24 | turned << 8) & 0xFFFFFFFF
        assert moved & 0x7F80 == (word >> 8 * i & 0xFF) * 128


@pytest.mark.parametrize(
    ("scheme", "groups"),
    [
        (OperandScheme("int4", "per_group:32", symmetric=False), 4),
        (OperandScheme("int4", "per_group:128", scale_format="bf16"), 1),
        (OperandScheme("fp4_e2m1", "per_group:32", scale_format="e8m0"), 4),
        (OperandScheme("fp4_e2m1", "per_group:16", scale_format="e4m3"), 8),
        (OperandScheme("int2", "per_channel", symmetric=False), 1),
    ],
)
def test_records_hold_scales_then_zero_points(scheme, groups):
    layout, (n, k) = WeightLayout(scheme, "f16", 32, 128), (40, 300)
    weight = _quantized(n, k, scheme)
    records = weight_packing.packed_records(weight, layout)
    assert records.shape == (2, 3, layout.record_bytes)
    size = groups * 32
    if layout.group:
        stored = records[..., : layout.record_bytes - (0 if scheme.symmetric else size)]
        scale = _scale(np.ascontiguousarray(stored), scheme, weight).reshape(2, 3, groups, 32)
        got = scale.transpose(0, 3, 1, 2).reshape(64, -1)[:n, : weight.params.scale.shape[1]]
        np.testing.assert_array_equal(got, weight.params.scale)
    if not scheme.symmetric:
        zeros = records[..., -size:].reshape(2, 3, groups, 32).transpose(0, 3, 1, 2).reshape(64, -1)[:n].astype(int)
        wanted = weight.params.zero_point - layout.lowest
        np.testing.assert_array_equal(zeros[:, : wanted.shape[1]], wanted)


def _scale(stored: np.ndarray, scheme: OperandScheme, weight) -> np.ndarray:
    match scheme.scale_format:
        case "f32":
            return stored.view(np.float32)
        case "bf16":
            return stored.view(ml_dtypes.bfloat16).astype(np.float32)
        case "e8m0":
            return np.ldexp(np.float32(1), stored.astype(int) - 127)
    return stored.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * np.float32(weight.params.scales.global_scale)


INT4 = {"weight.format": "int4", "weight.granularity": "per_group:64"}


@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        (INT4, {}, None),
        (INT4, {"dtype": "bf16"}, None),
        ({"scheme": "w2a16_g64"}, {"k": 33}, None),
        ({"scheme": "ternary"}, {}, None),
        ({"scheme": "nf4_b64"}, {}, None),
        ({"scheme": "mxfp4"}, {}, "takes the activation unquantized"),
        ({"scheme": "w8a8"}, {}, "takes the activation unquantized"),
        ({**INT4, "weight.granularity": "per_group:256"}, {}, "takes groups of 16, 32, 64, 128"),
        ({**INT4, "weight.granularity": "per_block:8x8"}, {}, "takes no weight scaled per_block"),
        ({**INT4, "weight.format": "int3"}, {}, "takes no weight of format int3"),
        (INT4, {"m": 9}, "takes m up to 8"),
        (INT4, {"m": 8, "k": 28672}, "takes activations that fit 227 KiB of shared memory beside the weights"),
    ],
)
def test_what_the_product_of_few_rows_takes(axes, shape, reason):
    assert why_skipped("weight_only_gemv", shape, **axes) == reason


def test_a_smaller_plan_is_made_where_there_is_less_shared_memory():
    scheme = OperandScheme("int4", "per_group:128")
    wide, narrow = (
        weight_gemv.gemv_plan(scheme, "bf16", 1, 8192, weight_gemv.shared_limit(name)) for name in ("sm_90a", "sm_120a")
    )
    assert wide.shared_bytes(1, 8192) > 99 << 10 >= narrow.shared_bytes(1, 8192)
    assert why_skipped("weight_only_gemv", {"m": 1, "k": 8192}, BLACKWELL, **INT4) is None
    assert why_skipped("weight_only_gemv", {}, ADA, **INT4) == "needs compute capability 9.0, sm_89 is lower"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("m", "tokens", "rows"),
    [(1, 8, 256), (9, 16, 256), (32, 32, 256), (33, 64, 128), (129, 256, 128), (5000, 256, 128)],
)
def test_a_tile_holds_the_tokens_and_its_ring_fits(m, tokens, rows, name):
    scheme = OperandScheme(name, "per_group:32", symmetric=name not in ("int8", "int4", "int2"))
    plan = wgmma_plan(scheme, "bf16", m)
    if plan.layout.bits < 4:  # no codes for 16 bytes a lane in spans of 64; binary has spans of 256
        tokens = min(tokens, 64 if name == "binary" else 128)
    assert (plan.tokens, plan.layout.rows, plan.threads) == (tokens, rows, 2 * rows + 128)
    assert plan.stages >= 3
    assert plan.shared_bytes <= 226 << 10
    assert plan.tiles(m, 257) == -(-m // tokens) * -(-257 // rows)


@pytest.mark.parametrize(
    ("scheme", "dtype", "scaled", "tokens"),
    [
        (OperandScheme("int4", "per_group:128"), "bf16", True, 256),
        (OperandScheme("int4", "per_group:128"), "f16", False, 128),
        (OperandScheme("int4", "per_channel"), "f16", False, 256),
    ],
)
def test_scales_of_groups_go_into_weights_of_bf16_where_tokens_are_many(scheme, dtype, scaled, tokens):
    plan = wgmma_plan(scheme, dtype, 512)
    assert (plan.scaled, plan.tokens) == (scaled, tokens)
    assert plan.weight_rounding == (2.0**-7 + 2.0**-16 if scaled else 0)
    assert (("SCALED", "1") in plan.specialise(dtype).macros) == scaled


def test_a_group_longer_than_a_span_has_its_scale_in_each():
    weight = _quantized(70, 300, OperandScheme("int4", "per_group:128"))
    layout = wgmma_plan(weight.scheme, "bf16", 512).layout
    records = weight_packing.packed_records(weight, layout).view(np.float32)
    assert records.shape == (1, 5, 128)
    assert (records[0, :, :70] == weight.params.scale.T[[0, 0, 1, 1, 2]]).all()


@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        (INT4, {"m": 300, "dtype": "bf16"}, None),
        ({"scheme": "nf4_b64"}, {"m": 9, "k": 33}, None),
        ({"scheme": "nvfp4"}, {}, "takes the activation unquantized"),
        ({**INT4, "weight.format": "fp8_e4m3"}, {}, "takes no weight of format fp8_e4m3"),
        (INT4, {"m": 2**31 - 255, "n": 1, "k": 1}, "takes m and n up to 2147483392"),
    ],
)
def test_what_the_product_of_any_number_of_rows_takes(axes, shape, reason):
    assert why_skipped("weight_only_wgmma", shape, **axes) == reason
    assert why_skipped("weight_only_wgmma", {}, BLACKWELL, **INT4) == "needs sm_90a, this is sm_120a"

"""Products whose first operand is the weight: how it is laid out, and as what requests are compiled."""

from __future__ import annotations

import numpy as np
import pytest
from example_suites import CUDA

from harness.kernels.gemm.prepared import (
    nibbles_in_fragments,
    nibbles_with_scales,
    padded,
    swizzled_lines,
)
from harness.kernels.gemm.transposed_spec import SHARED_BYTES, Kind, takes_groups
from harness.kernels.spec import OperandPlan
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme


def _unpacked(words: np.ndarray, tiles: int, lines: int) -> np.ndarray:
    """What threads make of the words, each byte's half sixteen times its code, at the places that PTX gives fragments."""
    made = np.zeros((tiles * 128, lines * 128), np.int32)
    words = words.view(np.uint32).reshape(tiles, lines, 2, 2, 128, 4)
    for tile, line, group, two, thread, word in np.ndindex(words.shape):
        step, half, value = two * 2 + word // 2, word % 2, words[tile, line, group, two, thread, word]
        row = tile * 128 + group * 64 + thread // 32 * 16 + thread % 32 // 4 + 8 * half
        for sixteen, bits in enumerate((value << np.uint32(4) & 0xF0F0F0F0, value & 0xF0F0F0F0)):
            k = line * 128 + step * 32 + sixteen * 16 + thread % 4 * 4
            made[row, k : k + 4] = np.array([bits], np.uint32).view(np.int8)
    return made


@pytest.mark.parametrize(("n", "k"), [(128, 128), (130, 200)])
def test_threads_unpack_sixteen_times_the_codes(n, k):
    values = np.random.default_rng(0).standard_normal((n, k)).astype(np.float32)
    weight = quantize(values, OperandScheme("int4", "per_channel"))
    wanted = padded(weight.codes, -(-n // 128) * 128).view(np.int8).astype(np.int32)
    found = _unpacked(nibbles_in_fragments(weight, 128), *(extent // 128 for extent in wanted.shape))
    assert (found == 16 * wanted).all()


def test_chunks_of_a_line_stand_where_the_swizzle_puts_them():
    codes = np.random.default_rng(0).integers(0, 256, (256, 384), dtype=np.uint8)
    tiles = swizzled_lines(codes, 128).reshape(2, 3, 128, 8, 16)
    for tile, line, row, chunk in np.ndindex(2, 3, 128, 8):
        k = line * 128 + chunk * 16
        assert (tiles[tile, line, row, chunk ^ row % 8] == codes[tile * 128 + row, k : k + 16]).all()


def test_scales_of_groups_lie_behind_the_codes_of_their_line():
    values = np.random.default_rng(0).standard_normal((130, 300)).astype(np.float32)
    weight = quantize(values, OperandScheme("int4", "per_group:128"))
    lines = nibbles_with_scales(weight, 128, weight.params.scale).reshape(2, 3, 8192 + 512)
    assert (lines[:, :, :8192].reshape(-1) == nibbles_in_fragments(weight, 128)).all()
    scales = lines[:, :, 8192:].copy().view(np.float32)
    wanted = np.zeros((256, 3), np.float32)
    wanted[:130] = weight.params.scale
    assert (scales.transpose(0, 2, 1).reshape(256, 3) == wanted).all()


KINDS = [Kind(), Kind(packed=True), Kind(packed=True, grouped=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [1, 8, 9, 64, 100, 256, 5000])
def test_a_tile_holds_the_tokens_and_the_ring_fits(m, kind):
    made = kind.constants(m)
    assert made["TILE_T"] == min(128 if kind.grouped else 256, max(8, 1 << (m - 1).bit_length()))
    assert made["STAGES"] >= 4
    assert made["STAGES"] * kind.stage_bytes(made["TILE_T"]) < SHARED_BYTES


def _request(weight, activation):
    weight, activation = OperandScheme(**weight), OperandScheme(**activation)
    return {
        "weight": OperandPlan((64, 256), weight, 0, "bf16"),
        "activation": OperandPlan((32, 256), activation, 1, "bf16"),
    }


INT4 = {"format": "int4", "granularity": "per_group:128"}
TOKEN = {"format": "int8", "granularity": "per_token"}


@pytest.mark.parametrize(
    ("weight", "activation", "reason"),
    [
        (INT4, TOKEN, None),
        ({**INT4, "granularity": "per_channel"}, {**TOKEN, "symmetric": False}, None),
        (INT4, {**TOKEN, "symmetric": False}, "takes no zero point of the activation with groups"),
        ({**INT4, "granularity": "per_group:64"}, TOKEN, "takes groups of 128"),
        ({**INT4, "symmetric": False}, TOKEN, "takes no zero point of the weight"),
        (INT4, {**TOKEN, "format": "uint8"}, "takes no activation of format uint8"),
    ],
)
def test_w4a8_takes_scales_of_rows_and_of_groups(weight, activation, reason):
    assert takes_groups(_request(weight, activation), CUDA) == reason

"""Products whose first operand is the weight: how it is laid out, and as what requests are compiled."""

from __future__ import annotations

import numpy as np
import pytest

from harness.kernels.gemm.prepared import fragment_order, nibbles_in_fragments, turned_order, turned_weight
from harness.kernels.gemm.transposed_spec import SHARED_BYTES, constants, stage_bytes
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme


@pytest.mark.parametrize("order", [turned_order, fragment_order])
def test_every_row_has_one_place(order):
    assert sorted(order(128)) == list(range(128))


def test_four_outputs_of_a_thread_are_neighbours():
    order = turned_order(16)
    for quad in range(4):
        own = [order[8 * half + 2 * quad + e] for half in range(2) for e in range(2)]
        assert own == [4 * quad, 4 * quad + 1, 4 * quad + 2, 4 * quad + 3]


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
    wanted = turned_weight(weight, 128).view(np.int8).astype(np.int32)
    found = _unpacked(nibbles_in_fragments(weight, 128), *(extent // 128 for extent in wanted.shape))
    assert (found == 16 * wanted).all()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("m", [1, 8, 9, 64, 100, 256, 5000])
def test_a_tile_holds_the_tokens_and_the_ring_fits(m, packed):
    made = constants(m, 4096, packed=packed)
    assert made["TILE_T"] == min(256, max(8, 1 << (m - 1).bit_length()))
    assert made["STAGES"] >= 4
    assert made["STAGES"] * stage_bytes(made["TILE_T"], packed=packed) < SHARED_BYTES


def test_few_tiles_are_shared_out():
    assert constants(1, 28672, packed=True)["SPLIT"] == 1
    assert constants(8192, 8192, packed=True)["SPLIT"] == 0

"""Packed codes, against bytes written out by hand and against ONNX's own packing."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import numpy_helper

from harness.numerics.packing import pack_bits, pack_nibbles, sign_extended, unpack_bits, unpack_nibbles


def test_the_low_nibble_comes_first() -> None:
    assert pack_nibbles(np.array([1, 2, 3], np.int8)).tolist() == [0x21, 0x03]
    assert pack_nibbles(np.array([-8, -1, 7], np.int8)).tolist() == [0xF8, 0x07]
    assert pack_nibbles(np.array([[15, 0], [8, 9]], np.uint8)).tolist() == [0x0F, 0x98]
    assert pack_nibbles(np.array([], np.int8)).tolist() == []


@pytest.mark.parametrize("count", [1, 2, 15, 256, 257])
@pytest.mark.parametrize("signed", [True, False])
def test_what_was_packed_comes_back(signed: bool, count: int) -> None:
    low, dtype = (-8, np.int8) if signed else (0, np.uint8)
    codes = (np.random.default_rng(count).integers(low, low + 16, count)).astype(dtype)
    packed = pack_nibbles(codes)
    assert packed.dtype == np.uint8
    assert packed.size == (count + 1) // 2
    back = unpack_nibbles(packed, count, signed=signed)
    assert back.dtype == dtype
    assert np.array_equal(back, codes)


@pytest.mark.parametrize("signed", [True, False])
def test_every_byte_unpacks(signed: bool) -> None:
    back = unpack_nibbles(np.arange(256, dtype=np.uint8), 512, signed=signed).reshape(256, 2)
    for byte, (low, high) in enumerate(back.tolist()):
        for nibble, value in ((byte % 16, low), (byte // 16, high)):
            assert value == (nibble - 16 if signed and nibble > 7 else nibble)


@pytest.mark.parametrize(("name", "low"), [("int4", -8), ("uint4", 0)])
def test_packing_is_that_of_onnx(name: str, low: int) -> None:
    """ONNX stores int4 and uint4 tensors flattened, two to a byte, first element in the low nibble."""
    codes = np.random.default_rng(9).integers(low, low + 16, (3, 7)).astype(np.int8)
    stored = numpy_helper.from_array(codes.astype(getattr(ml_dtypes, name))).raw_data
    assert pack_nibbles(codes).tobytes() == stored


def test_bits_follow_one_another_from_the_lowest_up() -> None:
    assert pack_bits(np.array([1, 0, 1, 1, 0, 0, 0, 0, 1], np.uint8), 1).tolist() == [0b1101, 1]
    assert pack_bits(np.array([1, -1, -2], np.int8), 2).tolist() == [0b10_11_01]
    assert pack_bits(np.array([0b100001, 0b000011], np.uint8), 6).tolist() == [0b11_100001, 0]
    assert pack_bits(np.array([-1, 5], np.int8), 8).tolist() == [255, 5]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 255, 256])
@pytest.mark.parametrize("bits", range(1, 9))
def test_bits_that_were_packed_come_back(bits: int, count: int) -> None:
    patterns = np.random.default_rng(bits).integers(0, 1 << bits, count).astype(np.uint8)
    packed = pack_bits(patterns, bits)
    assert packed.size == -(-count * bits // 8)
    assert np.array_equal(unpack_bits(packed, bits, count), patterns)


@pytest.mark.parametrize("bits", range(2, 9))
def test_sign_extension_is_that_of_twos_complement(bits: int) -> None:
    codes = np.arange(-(1 << bits - 1), 1 << bits - 1)
    patterns = (codes & (1 << bits) - 1).astype(np.uint8)
    assert np.array_equal(sign_extended(patterns, bits), codes)

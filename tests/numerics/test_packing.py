"""Packed nibbles, against bytes written out by hand and against ONNX's own packing."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import numpy_helper

from harness.numerics.packing import pack_nibbles, unpack_nibbles


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

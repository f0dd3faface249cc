"""mma.sync and wgmma products without a device: order of the weight's rows, layout in shared memory, order of tiles, and what
they take. Fragments and the matrix descriptor are as the PTX ISA states them, written down here anew."""

from __future__ import annotations

import numpy as np
import pytest
from device_code import macro, run
from example_suites import why_skipped

from harness.device import Device
from harness.kernels.gemm import ladder, prepared
from harness.numerics.quantize import quantize
from harness.numerics.scheme import OperandScheme

BLACKWELL = Device("cuda:0", "cuda", "test", "sm_100a", 64 << 30)
INT8 = OperandScheme("int8", "per_channel")
MMA, HEADER, PRODUCT = "common/mma_product.cuh", "common/hopper.cuh", "common/wgmma_product.cuh"
SHARED_BYTES = 227 << 10
"""What a block may have on compute capability 9.0 (CUDA C++ Programming Guide, technical specifications)."""


def _weight(n: int, k: int):
    return quantize(np.random.default_rng(n).normal(size=(n, k)), INT8)


def _held(product_: np.ndarray, lane: int) -> dict[int, np.ndarray]:
    """What a lane's sums are of 64 rows x columns (PTX ISA, wgmma D fragment): row → its values in the order of registers."""
    found: dict[int, list[int]] = {}
    for warp in range(4):
        for half in range(2):
            row = 16 * warp + lane // 4 + 8 * half
            columns = [8 * j + 2 * (lane % 4) + e for j in range(product_.shape[1] // 8) for e in range(2)]
            found[row] = product_[row, columns]
    return found


@pytest.mark.parametrize(("n", "tile"), [(128, 128), (256, 256), (200, 256), (1, 128)])
def test_a_lane_holds_eight_neighbouring_columns_in_thirty_two(n, tile):
    weight = _weight(n, 40)
    x = np.random.default_rng(0).integers(-128, 128, (64, 40))
    stored = prepared.ordered_weight(weight, tile).view(np.int8)[:, :40].astype(np.int64)
    wanted = np.zeros((64, tile), np.int64)
    wanted[:, :n] = x @ weight.codes.astype(np.int64).T
    for lane in range(32):
        for row, values in _held(x @ stored.T, lane).items():
            for group in range(tile // 32):
                own = 32 * group + 8 * (lane % 4)
                np.testing.assert_array_equal(values[8 * group : 8 * group + 8], wanted[row, own : own + 8])


def test_rows_and_columns_are_filled_up_with_zeros():
    weight = _weight(70, 65)
    stored = prepared.ordered_weight(weight, 128)
    assert stored.shape == (128, 128)
    assert np.count_nonzero(stored) == np.count_nonzero(weight.codes)
    assert sorted(prepared.fragment_order(128)) == list(range(128))
    np.testing.assert_array_equal(prepared.column_sums(weight, 128)[:70], weight.codes.sum(axis=1, dtype=np.int32))
    assert not prepared.column_sums(weight, 128)[70:].any()
    np.testing.assert_array_equal(prepared.for_columns(np.float32([[2.5]]), 3, 4), np.float32([2.5, 2.5, 2.5, 0]))


def _place(row: int, chunk: int, depth: int) -> int:
    names = {"DEPTH": depth, "LINE_ROWS": 128 // depth, "CHUNKS": depth // 16}
    return run(MMA, "place", row=row, chunk=chunk, **names)["result"]


@pytest.mark.parametrize("depth", [64, 128])
def test_shared_memory_of_mma_holds_every_chunk_once_and_has_no_bank_conflicts(depth):
    rows, chunks = 128, depth // 16
    places = np.array([[_place(row, chunk, depth) for chunk in range(chunks)] for row in range(rows)])
    assert sorted(places.ravel()) == list(range(0, rows * depth, 16))
    banks = places // 16 % 8
    for first in range(0, rows, 8):  # a phase of ldmatrix: eight rows at one chunk
        for chunk in range(chunks):
            assert len(set(banks[first : first + 8, chunk])) == 8
    for eight in banks.ravel().reshape(-1, 8):  # a quarter of a warp writes eight chunks
        assert len(set(eight)) == 8
    # A warp's part of a tile begins at a multiple of 64 rows and is laid out as the tile is.
    np.testing.assert_array_equal(places[64:] - places[64, 0] + places[0, 0], places[:64])


def _swizzled(offset: int) -> int:
    """The 128-byte swizzle: bits 4-6 of an address XORed with bits 7-9."""
    return offset ^ (offset >> 7 & 7) << 4


@pytest.mark.parametrize("address", [1024, 1024 * 49, 227 * 1024 - 1024 * 16])
@pytest.mark.parametrize("step", range(4))
def test_a_descriptor_finds_the_bytes_that_a_box_brought(address, step):
    """Byte (row, 32 step + b) of a box, as the copy wrote it and as the product looks for it."""
    made = run(HEADER, "descriptor", address=address, ATOM_BYTES=1024)["result"] + step * (
        macro(PRODUCT, "STEP_BYTES") >> 4
    )
    assert made >> 62 == 1, "the 128-byte swizzle"
    assert made >> 49 & 7 == 0, "no base offset"
    start, stride = (made & 0x3FFF) << 4, (made >> 32 & 0x3FFF) << 4
    for row in range(64):
        for byte in range(32):
            written = address + _swizzled(row * 128 + 32 * step + byte)
            sought = start + row // 8 * stride + row % 8 * 128 + byte
            assert _swizzled(sought) == written


@pytest.mark.parametrize(
    ("tile_m", "rows", "columns"), [(128, 1, 1), (128, 20, 9), (256, 10, 17), (128, 64, 32), (128, 17, 3)]
)
def test_tiles_are_taken_once_each_in_bands(tile_m, rows, columns):
    raster_rows = ladder.WGMMA_S8.constants["RASTER_ROWS"]
    names = {"RASTER_ROWS": raster_rows, "TILE_M": tile_m, "rows": rows, "columns": columns}
    places = [
        run("common/raster.cuh", "place", tile=tile, row=None, column=None, **names) for tile in range(rows * columns)
    ]
    found = [(each["row"], each["column"]) for each in places]
    assert sorted(found) == [(row, column) for row in range(rows) for column in range(columns)]
    bands = [row * tile_m // raster_rows for row, _ in found]
    assert bands == sorted(bands)
    assert all(
        (one[1], one[0]) < (next_[1], next_[0])
        for one, next_, band, next_band in zip(found, found[1:], bands, bands[1:], strict=False)
        if band == next_band
    ), "column after column"


@pytest.mark.parametrize("step", [ladder.WGMMA_S8, ladder.FP8_PROMOTED, ladder.FP8_FAST])
def test_stages_fit_shared_memory_and_sums_the_registers(step):
    columns, blocks = step.constants["TILE_N"], step.constants["BLOCKS"]
    stage = (128 * blocks + columns) * 128
    assert stage % 1024 == 0, "every tile of the ring begins where the swizzle does"
    assert 1024 + step.constants["STAGES"] * (stage + 16) <= SHARED_BYTES
    sums = blocks * columns // 2 + (columns // 2 if step.constants.get("PROMOTED") else 0)
    assert sums <= macro(PRODUCT, "MULTIPLIER_REGISTERS") - 32
    producer, multiplier = (macro(PRODUCT, f"{name}_REGISTERS") for name in ("PRODUCER", "MULTIPLIER"))
    assert 128 * producer + 256 * multiplier <= 168 * 384 <= 65536


INTEGER = {"weight.format": "int8", "activation.format": "int8"}
UNSIGNED = {**INTEGER, "activation.format": "uint8"}
ASYMMETRIC = {**INTEGER, "activation.symmetric": False}
DYNAMIC = {"scheme": "w8a8", "activation.range": "dynamic"}


@pytest.mark.parametrize("kernel", ["mma_s8", "wgmma_s8"])
@pytest.mark.parametrize(
    ("axes", "shape", "reason"),
    [
        ({"scheme": "w8a8"}, {"dtype": "bf16"}, None),
        (ASYMMETRIC, {"k": 65793}, None),
        (INTEGER, {"k": 131071}, None),
        (INTEGER, {"k": 131072}, "int32 sums hold k up to 131071"),
        (UNSIGNED, {"k": 65794}, "int32 sums hold k up to 65793"),
        (ASYMMETRIC, {"k": 65794}, "int32 sums hold k up to 65793"),
        ({**INTEGER, "weight.symmetric": False}, {}, "takes no zero point of the weight"),
        ({**INTEGER, "weight.format": "uint8"}, {}, "takes no weight of format uint8"),
        ({**INTEGER, "activation.granularity": "per_group:128"}, {}, "takes no activation scaled per_group"),
        (DYNAMIC, {"k": 256}, None),
        (DYNAMIC, {"k": 200}, "takes dynamic ranges of the activation where k is a multiple of 128"),
        (
            {**DYNAMIC, "activation.granularity": "per_tensor"},
            {"k": 256},
            "takes no activation with a dynamic range scaled per_tensor",
        ),
        (
            {**DYNAMIC, "activation.symmetric": False},
            {"k": 256},
            "takes dynamic ranges of the activation with scales of f32, without zero points, by minmax",
        ),
        (
            DYNAMIC,
            {"m": 1, "n": 8, "k": 65536},
            "holds rows of the activation with a dynamic range in registers: up to 8192 loads of 16 bytes",
        ),
        ({"scheme": "w8a16"}, {}, "needs a quantized activation"),
        (INTEGER, {"m": 2**31 - 255, "n": 1, "k": 1}, "takes m and n up to 2147483392"),
        (INTEGER, {"m": 1, "n": 2**31 - 255, "k": 1}, "takes m and n up to 2147483392"),
    ],
)
def test_what_products_of_bytes_take(kernel, axes, shape, reason):
    assert why_skipped(kernel, shape, **axes) == reason


FP8 = {"weight.format": "fp8_e5m2", "activation.format": "fp8_e4m3"}


@pytest.mark.parametrize(
    ("axes", "promoted", "fast"),
    [
        ({"scheme": "fp8_tensor"}, None, None),
        ({"scheme": "fp8_row"}, None, None),
        (FP8, None, None),
        ({"scheme": "fp8_block"}, None, "takes no weight scaled per_block"),
        (
            {**FP8, "activation.granularity": "per_group:128"},
            "takes block scales as per_block:128x128 of the weight with per_group:128 of the activation",
            "takes no activation scaled per_group",
        ),
        ({"scheme": "w8a8"}, "takes no weight of format int8", "takes no weight of format int8"),
    ],
)
def test_what_products_of_fp8_take(axes, promoted, fast):
    assert (why_skipped("wgmma_fp8", **axes), why_skipped("wgmma_fp8_fast_accum", **axes)) == (promoted, fast)


def test_wgmma_is_hoppers_alone():
    assert why_skipped("wgmma_s8", device=BLACKWELL, **INTEGER) == "needs sm_90a, this is sm_100a"
    assert why_skipped("mma_s8", device=BLACKWELL, **INTEGER) is None


def test_products_of_f32_say_that_they_give_nothing_else():
    assert why_skipped("dp4a", {"dtype": "f16"}, **INTEGER) == "gives f32 only, no f16"
    assert why_skipped("wmma_s8", {"dtype": "f32"}, **INTEGER) is None


def test_a_compilation_is_of_schemes_and_type():
    asymmetric = OperandScheme("uint8", "per_token", symmetric=False)
    made = dict(ladder.MMA_S8.specialise(asymmetric, INT8, "bf16").macros)
    assert made == {
        "A_UNSIGNED": "1",
        "ZERO_POINTS": "1",
        "VALUE": "2",
        "STAGES": "4",
        "DEPTH": "64",
        "RASTER_ROWS": "2048",
    }
    block = OperandScheme("fp8_e4m3", "per_group:128"), OperandScheme("fp8_e5m2", "per_block:128x128")
    made = dict(ladder.FP8_PROMOTED.specialise(*block, "f32").macros)
    assert {name: made[name] for name in ("A_E5M2", "B_E5M2", "BLOCK_SCALES", "PROMOTED", "VALUE")} == {
        "A_E5M2": "0",
        "B_E5M2": "1",
        "BLOCK_SCALES": "1",
        "PROMOTED": "1",
        "VALUE": "0",
    }

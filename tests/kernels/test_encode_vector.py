"""``quantize/encode_vector.cuh`` on the host: all values of 16 bits under many scales have the oracle's codes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from host_code import build

from harness.kernels.common.affine_program import element_macros
from harness.numerics.formats import FORMATS

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="compiles headers for the host: needs g++")

_MAIN = """
#include "common/values.cuh"
#include "quantize/encode_vector.cuh"
#include "quantize/pair_range.cuh"
struct Asked { float scale, zero, low, high; unsigned from, count; };
int main(int, char **names)
{
    std::vector<value_t> x(1 << 18);
    FILE *in = fopen(names[1], "rb"), *asked = fopen(names[2], "rb"), *out = fopen(names[3], "wb");
    x.resize(fread(x.data(), sizeof(value_t), x.size(), in));
    begin_encoding();
    for (Asked now; fread(&now, sizeof now, 1, asked);) {
        const Affine affine(now.scale, now.zero);
        HeldRange held;
        for (unsigned i = now.from; i < now.from + now.count; i += WIDTH) {
            ValuePacket packet;
            packet.load(x.data() + i);
            held.take<WIDTH>(packet);
            const CodePacket made = encode_vector<ALL_INSIDE>(affine, packet, now.low, now.high, code_flip(now.low));
            fwrite(&made, WIDTH * BITS / 8, 1, out);
        }
        const Range range = held.total();
        const float ends[2] = {range.above, range.below};
        fwrite(ends, sizeof ends, 1, out);
    }
    fclose(out);
}
"""
_TYPES = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
_ASKED = np.dtype(
    [(name, np.float32) for name in ("scale", "zero", "low", "high")]
    + [(name, np.uint32) for name in ("first", "count")]
)


@dataclass(frozen=True)
class _Way:
    """A compilation, and the limits of codes where they are whole numbers."""

    format: str
    type: str
    scales: int = 0
    """SCALE."""
    symmetric: bool = True
    inside: bool = False
    width: int = 16
    architecture: int = 80

    def __str__(self) -> str:
        scales = "e8m0" if self.scales == 3 else "f32"
        marks = ["" if self.symmetric else "-asymmetric", "-inside" if self.inside else "", f"-w{self.width}"]
        return f"{self.format}-{self.type}-{scales}{''.join(marks)}-sm_{self.architecture}"

    @property
    def limits(self) -> tuple[int, int]:
        element = FORMATS[self.format]
        return element.limits() if element.is_integer else (-1, 1)

    @property
    def whole(self) -> bool:
        return FORMATS[self.format].is_integer or self.format == "ternary"

    def macros(self) -> dict[str, int]:
        numbers = {"VALUE": list(_TYPES).index(self.type), "SCALE": self.scales, "ASYMMETRIC": int(not self.symmetric)}
        unsigned = int(self.symmetric and self.format.startswith("uint"))
        shape = {
            "__CUDA_ARCH__": 10 * self.architecture,
            "WIDTH": self.width,
            "ALL_INSIDE": int(self.inside),
            "UNSIGNED": unsigned,
            "ROUND_UP": 0,
        }
        return {**numbers, **shape, **element_macros(FORMATS[self.format], signed=True)}


def _values(type_: str) -> np.ndarray:
    """All finite ones of 16 bits by magnitude, 16 below zero and 16 above in turn, then some in any order, so that neighbours
    differ in sign; of f32 those of bf16 and as many random ones."""
    if type_ == "f32":
        drawn = np.random.default_rng(0).integers(0, 2**32, 2**16, dtype=np.uint32).view(np.float32)
        found = np.concatenate([_values("bf16").astype(np.float32), drawn[np.isfinite(drawn)]])
        return found[: len(found) // 16 * 16]
    above = np.arange(2**15, dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        above = above[np.isfinite(above.view(_TYPES[type_]))].reshape(-1, 1, 16)
    found = np.concatenate([above | 0x8000, above], axis=1).ravel()
    mixed = np.random.default_rng(2).permutation(found)[:4096]
    return np.concatenate([found, mixed]).view(_TYPES[type_])


def _scales(way: _Way) -> np.ndarray:
    if way.scales == 3:
        return np.ldexp(1.0, [*range(-127, -110), *range(-109, 108, 9), *range(108, 128)]).astype(np.float32)
    rng = np.random.default_rng(1)
    usual = np.ldexp(rng.uniform(0.5, 1, 24), rng.integers(-30, 20, 24))
    short = np.ldexp(rng.integers(1, 16, 16), rng.integers(-20, 12, 16).astype(np.int32))  # quotients may be ties
    ends = [1 - 2.0**-24, 1 + 2.0**-23, *(2.0**at for at in (-126, -65, -64, -24, -21, -20, 64, 65)), 1.9 * 2.0**127]
    every = 1 if way.symmetric else 3  # each with several zero points
    return np.concatenate([usual[::every], short[::every], ends]).astype(np.float32)


def _asked(way: _Way, x: np.ndarray) -> np.ndarray:
    low, high = way.limits if way.whole else (-1.0, FORMATS[way.format].largest)
    if way.inside:
        counts = np.linspace(1, len(x) // 16, 40).astype(int) * 16
        tops = np.array([np.abs(x[:count].astype(np.float32)).max() for count in counts])
        scales = np.maximum(tops / np.float32(high), np.float32(2.0**-126))
        return np.array([(s, 0, low, high, 0, count) for s, count in zip(scales, counts, strict=True)], _ASKED)
    zeros = [0] if way.symmetric else [low, low + 1, (low + high) // 2, high]
    rows = [(s, z, low, high, 0, len(x)) for s in _scales(way) for z in zeros]
    one_sided = [(1, zeros[0], low, high, 16 * first, 16) for first in (1000, 1001)]
    return np.array(rows + one_sided, _ASKED)


def _expected(way: _Way, x: np.ndarray, row: np.void) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        y = x.astype(np.float32) / row["scale"]
    if way.whole:
        y = np.clip(np.rint(y) + row["zero"], row["low"], row["high"])
        return y.astype(np.int64) & (1 << FORMATS[way.format].bits) - 1
    element = FORMATS[way.format]
    codes = element.encode(np.clip(y, np.float32(-1e38), np.float32(1e38)))
    return (codes > 0).astype(np.int64) if way.format == "binary" else codes.astype(np.int64)


def _unpacked(packed: np.ndarray, bits: int) -> np.ndarray:
    return np.unpackbits(packed, bitorder="little").reshape(-1, bits) @ (1 << np.arange(bits))


_WAYS = [
    *[_Way("binary", type_) for type_ in _TYPES],
    _Way("binary", "bf16", 3),
    *[_Way(format_, type_) for format_ in ("int4", "int2", "ternary", "int8", "uint8", "uint4") for type_ in ("f16", "bf16")],
    *[_Way(format_, type_, symmetric=False) for format_ in ("uint4", "int4", "uint8") for type_ in ("f16", "bf16")],
    *[_Way(format_, type_, inside=True) for format_ in ("int4", "int8", "ternary") for type_ in ("f16", "bf16")],
    *[_Way(format_, "bf16", 3) for format_ in ("fp4_e2m1", "fp6_e2m3", "fp6_e3m2", "int8")],
    _Way("fp6_e2m3", "bf16"),
    *[
        _Way(format_, type_, inside=inside)
        for format_ in ("fp4_e2m1", "nf4")
        for type_ in ("f16", "bf16")
        for inside in (False, True)
    ],
    *[_Way(format_, "bf16", architecture=89) for format_ in ("fp4_e2m1", "nf4")],
    _Way("nf4", "bf16", 3, architecture=89),
    _Way("fp4_e2m1", "f16", 3, width=8),
    *[
        _Way(format_, type_, scales, inside=inside, architecture=89)
        for format_ in ("fp6_e2m3", "fp6_e3m2")
        for type_ in ("f16", "bf16")
        for scales, inside in ((0, False), (0, True), (3, False))
    ],
    _Way("int4", "bf16", width=8),
    _Way("int2", "bf16", width=8),
    _Way("fp4_e2m1", "bf16", 3, width=8),
    _Way("int4", "f32"),
]  # fmt: skip


@pytest.mark.parametrize("way", _WAYS, ids=str)
def test_codes_and_ranges_are_the_oracles(way: _Way, tmp_path: Path):
    x, bits = _values(way.type), FORMATS[way.format].bits
    asked = _asked(way, x)
    x.tofile(tmp_path / "x")
    asked.tofile(tmp_path / "asked")
    program = build(_MAIN, way.macros(), tmp_path)
    subprocess.run([program, *(tmp_path / name for name in ("x", "asked", "out"))], check=True)
    out, at = np.fromfile(tmp_path / "out", np.uint8), 0
    for row in asked:
        values, size = x[row["first"] :][: row["count"]], int(row["count"]) * bits // 8
        codes = _unpacked(out[at : at + size], bits)
        wrong = np.flatnonzero(codes != _expected(way, values, row))
        assert not len(wrong), f"{len(wrong)} codes of {row}: {values[wrong[:4]]} gave {codes[wrong[:4]]}"
        above, below = out[at + size : at + size + 8].view(np.float32)
        wide = values.astype(np.float32)
        one_sided = not way.symmetric or way.format.startswith("uint")
        assert above == (max(wide.max(), 0) if one_sided else np.abs(wide).max())
        assert below == (0 if way.symmetric else max(-wide.min(), 0))
        at += size + 8
    assert at == len(out)
